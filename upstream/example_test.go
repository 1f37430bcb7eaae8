package upstream_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

// A receiver registers itself for the types that it has callbacks for. A simulator
// takes the place of the platform; its waits are a thousand times shorter.
func ExampleSubscribe() {
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
	hooks.OnWakeup(func(_ context.Context, e *sonzaihook.WakeupEvent) error {
		fmt.Println("wakeup for", e.UserID)
		return nil
	})
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/sonzai/{event}", hooks)
	server := httptest.NewServer(mux)
	defer server.Close()

	saved := sonzaihook.Secrets{}
	subscription, err := upstream.Subscribe(ctx, hooks, client.Webhooks(), server.URL+"/webhooks/sonzai/{event}",
		upstream.WithSecretSink(func(name sonzaihook.EventType, secret sonzaiapi.Secret) error {
			saved[name] = []string{string(secret)}
			return nil
		}))
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range subscription.Registered {
		fmt.Println(r.Name, "new:", r.New, "saved:", len(saved[r.Name]))
	}

	if _, err := sim.Emit(ctx, simulator.Event{Type: "agent.wakeup", AgentID: "agent_1", UserID: "user_1"}); err != nil {
		log.Fatal(err)
	}
	if err := sim.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// agent.wakeup new: true saved: 1
	// on_wakeup_ready new: true saved: 1
	// wakeup for user_1
}
