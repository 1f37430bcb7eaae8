package sonzaihook_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// quiet keeps what a receiver logs out of the examples' output.
var quiet = sonzaihook.WithLogger(slog.New(slog.DiscardHandler))

const exampleSecret = "whsec_example"

// deliver does what the platform does: it signs a body and posts it.
func deliver(handler http.Handler, body string) {
	req := httptest.NewRequest(http.MethodPost, "/webhooks/sonzai", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(sonzaihook.SignatureHeader, sonzaihook.Sign([]byte(body), exampleSecret, time.Now()))
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, req)
	fmt.Print(answer.Code, " ", answer.Body)
}

func Example() {
	hooks, err := sonzaihook.New(sonzaihook.Secret(exampleSecret), quiet)
	if err != nil {
		fmt.Println(err)
		return
	}
	hooks.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
		fmt.Println(e.AgentID, "feels", e.Data.Label)
		return nil
	})
	const body = `{"event_type":"agent.mood_change","event_id":"evt_1","agent_id":"luna","data":{"label":"content","valence":72}}`
	deliver(hooks, body)
	deliver(hooks, body) // the platform did not hear the first answer
	// Output:
	// luna feels content
	// 200 {"code":"processed"}
	// 200 {"code":"duplicate"}
}
