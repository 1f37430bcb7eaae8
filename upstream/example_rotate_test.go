package upstream_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

// A registration gets a new secret while deliveries arrive. What was signed with the
// one before stays valid for the grace.
func ExampleRotate() {
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
	hooks, err := sonzaihook.New(upstream.InitialSecrets(nil))
	if err != nil {
		log.Fatal(err)
	}
	hooks.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		fmt.Println(e.Data.Content)
		return nil
	})
	server := httptest.NewServer(hooks)
	defer server.Close()
	save := upstream.WithSecretSink(func(name sonzaihook.EventType, _ sonzaiapi.Secret) error {
		fmt.Println("a new secret of", name)
		return nil
	})
	if _, err := upstream.Subscribe(ctx, hooks, client.Webhooks(), server.URL, save); err != nil {
		log.Fatal(err)
	}

	if err := upstream.Rotate(ctx, hooks, client.Webhooks(), "agent.message", time.Hour, save); err != nil {
		log.Fatal(err)
	}
	_, err = sim.Emit(ctx, simulator.Event{Type: "agent.message", Data: map[string]string{"content": "Hello!"}})
	if err != nil {
		log.Fatal(err)
	}
	if err := sim.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// a new secret of agent.message
	// a new secret of agent.message
	// Hello!
}
