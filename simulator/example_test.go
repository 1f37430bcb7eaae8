package simulator_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/simulator"
)

// A server registers itself, and its first answer gets lost: the event comes
// twice, each time with a signature that verifies.
func Example() {
	sim, err := simulator.New(simulator.WithSpeed(1000))
	if err != nil {
		log.Fatal(err)
	}
	defer sim.Close()
	platform := httptest.NewServer(sim)
	defer platform.Close()

	secrets := make(chan string, 1)
	var secret string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if secret == "" {
			secret = <-secrets
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		err = sonzaihook.Verify(body, r.Header.Get(sonzaihook.SignatureHeader), secret, time.Now(), time.Minute)
		fmt.Println("arrived, error:", err)
	}))
	defer server.Close()

	request, err := http.NewRequest(http.MethodPut, platform.URL+simulator.BasePath+"/webhooks/agent.message",
		strings.NewReader(`{"webhook_url":"`+server.URL+`"}`))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+simulator.DefaultAPIKey)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	_, after, _ := strings.Cut(string(answer), `"signing_secret":"`)
	secrets <- strings.TrimSuffix(after, `"}`)

	if err := sim.MisbehaveDeliveries(simulator.DeliveryFault{Times: 1, DropAnswer: true}); err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if _, err := sim.Emit(ctx, simulator.Event{Type: "agent.message", AgentID: "agent_1"}); err != nil {
		log.Fatal(err)
	}
	if err := sim.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%+v\n", sim.Stats())
	// Output:
	// arrived, error: <nil>
	// arrived, error: <nil>
	// {Emitted:1 Attempts:2 Delivered:1 Failed:0 Pending:0}
}
