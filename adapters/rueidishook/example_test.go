package rueidishook_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/rueidis"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/rueidishook"
)

// Two instances share a server: the second recognises what the first has handled.
func ExampleNew() {
	server := miniredis.NewMiniRedis() // stands for your Redis
	if err := server.Start(); err != nil {
		panic(err)
	}
	defer server.Close()
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress:  []string{server.Addr()},
		DisableCache: true, // the store caches nothing, and this server could not
	})
	if err != nil {
		panic(err)
	}
	defer client.Close()
	store, err := rueidishook.New(client)
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
