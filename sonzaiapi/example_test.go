package sonzaiapi_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// A registration, one delivery that the server refuses, and what the delivery
// log says of it. A simulator stands in for the platform.
func Example() {
	ctx := context.Background()
	sim, err := simulator.New()
	if err != nil {
		log.Fatal(err)
	}
	defer sim.Close()
	platform := httptest.NewServer(sim)
	defer platform.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no", http.StatusUnauthorized)
	}))
	defer server.Close()

	client, err := sonzaiapi.New(simulator.DefaultAPIKey, sonzaiapi.WithBaseURL(platform.URL+simulator.BasePath))
	if err != nil {
		log.Fatal(err)
	}
	secret, err := client.Webhooks().Register(ctx, "agent.message", sonzaiapi.Target{URL: server.URL})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("secret:", secret)

	if _, err := sim.Emit(ctx, simulator.Event{Type: "agent.message", AgentID: "agent_1"}); err != nil {
		log.Fatal(err)
	}
	if err := sim.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	for attempt, err := range client.Webhooks().Attempts(ctx, "agent.message", 0) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("attempt", attempt.Number, "answered", attempt.ResponseCode, "delivered:", attempt.Delivered())
	}

	err = client.Webhooks().Delete(ctx, "agent.breakthrough")
	fmt.Println(errors.Is(err, sonzaiapi.ErrNotFound), err)
	// Output:
	// secret: [redacted]
	// attempt 1 answered 401 delivered: false
	// true sonzaiapi: DELETE /webhooks/agent.breakthrough: 404 Not Found: there is no webhook for "agent.breakthrough"
}
