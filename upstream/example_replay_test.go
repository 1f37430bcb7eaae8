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

// What a server missed while it was down is fetched from the delivery log.
func ExampleReplay() {
	ctx := context.Background()
	sim, err := simulator.New(simulator.WithSpeed(1000))
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

	// No server listens at this address.
	_, err = client.Webhooks().Register(ctx, "agent.message", sonzaiapi.Target{URL: "http://127.0.0.1:1/"})
	if err != nil {
		log.Fatal(err)
	}
	_, err = sim.Emit(ctx, simulator.Event{
		Type: "agent.message", ID: "evt_1", AgentID: "agent_1", Data: map[string]string{"content": "Hello!"},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := sim.Wait(ctx); err != nil {
		log.Fatal(err)
	}

	hooks, err := sonzaihook.New(upstream.InitialSecrets(nil))
	if err != nil {
		log.Fatal(err)
	}
	hooks.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		fmt.Println(e.Source, e.Data.Content)
		return nil
	})
	report, err := upstream.Replay(ctx, hooks, client.Webhooks())
	if err != nil {
		log.Fatal(err)
	}
	for _, d := range report.Deliveries {
		fmt.Println(d.EventID, d.Attempts, "attempts:", d.Outcome.Code)
	}
	// Output:
	// replay Hello!
	// evt_1 4 attempts: processed
}
