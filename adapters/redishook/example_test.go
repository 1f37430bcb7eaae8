package redishook_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/redishook"
)

// Two instances share a server: the second recognises what the first has handled.
func ExampleNew() {
	server := miniredis.NewMiniRedis() // stands for your Redis
	if err := server.Start(); err != nil {
		panic(err)
	}
	defer server.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
	defer client.Close()
	store, err := redishook.New(client)
	if err != nil {
		panic(err)
	}

	body := `{"event_type":"agent.mood_change","event_id":"evt_1","agent_id":"luna","data":{"label":"content"}}`
	for range 2 {
		hooks, err := sonzaihook.New(sonzaihook.Secret("whsec_an_example"), sonzaihook.WithStore(store))
		if err != nil {
			panic(err)
		}
		hooks.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
			fmt.Println(e.AgentID, "feels", e.Data.Label)
			return nil
		})
		req := httptest.NewRequest(http.MethodPost, "/webhooks/sonzai", strings.NewReader(body))
		req.Header.Set(sonzaihook.SignatureHeader, sonzaihook.Sign([]byte(body), "whsec_an_example", time.Now()))
		answer := httptest.NewRecorder()
		hooks.ServeHTTP(answer, req)
		fmt.Println(strings.TrimSpace(answer.Body.String()))
	}
	// Output:
	// luna feels content
	// {"code":"processed"}
	// {"code":"duplicate"}
}

// Where dozens of deliveries are under way at a time, their calls travel together.
func ExampleNew_pipeliner() {
	client := redis.NewClient(&redis.Options{Addr: "localhost:6379", ContextTimeoutEnabled: true})
	defer client.Close()
	pipeliner, err := client.AsyncAutoPipeline()
	if err != nil {
		panic(err)
	}
	store, err := redishook.New(pipeliner)
	if err != nil {
		panic(err)
	}
	if err := store.Check(context.Background()); err != nil {
		fmt.Println("there is no Redis, or it may forget claims:", err)
	}
}
