package upstream_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

// A server that no delivery can reach fetches what waits. What its callbacks have
// handled is acknowledged, and what failed waits for the next poll.
func ExamplePollProject() {
	ctx := context.Background()
	sim, err := simulator.New()
	if err != nil {
		log.Fatal(err)
	}
	defer sim.Close()
	platform := httptest.NewServer(sim)
	defer platform.Close()
	client, err := sonzaiapi.New(simulator.DefaultAPIKey, sonzaiapi.WithBaseURL(platform.URL))
	if err != nil {
		log.Fatal(err)
	}
	for _, label := range []string{"content", "curious"} {
		_, err := sim.Emit(ctx, simulator.Event{
			Type: "agent.mood_change", AgentID: "agent_1", Data: map[string]string{"label": label},
		})
		if err != nil {
			log.Fatal(err)
		}
	}

	hooks, err := sonzaihook.New(upstream.InitialSecrets(nil))
	if err != nil {
		log.Fatal(err)
	}
	hooks.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
		fmt.Println(e.Source, e.AgentID, e.Data.Label)
		return nil
	})
	project := client.Project(simulator.DefaultProject)
	// A server leaves out WithOnce, and polls until its context ends.
	if err := upstream.PollProject(ctx, hooks, project, upstream.WithOnce()); err != nil {
		log.Fatal(err)
	}

	waiting, err := project.Notifications(ctx, sonzaiapi.ProjectQuery{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(waiting), "wait")
	// Output:
	// poll agent_1 content
	// poll agent_1 curious
	// 0 wait
}
