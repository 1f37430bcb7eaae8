package sonzaihook_test

import (
	"context"
	"errors"
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

func ExampleOn() {
	type Lead struct {
		Score int `json:"score"`
	}
	hooks, err := sonzaihook.New(sonzaihook.Secret(exampleSecret), quiet)
	if err != nil {
		fmt.Println(err)
		return
	}
	sonzaihook.On(hooks, "lead.enriched", func(_ context.Context, e *sonzaihook.Event[Lead]) error {
		fmt.Println("a lead of", e.Data.Score)
		return nil
	})
	deliver(hooks, `{"event_type":"lead.enriched","data":{"score":7}}`)
	// Output:
	// a lead of 7
	// 200 {"code":"processed"}
}

func ExampleReceiver_OnDeadLetter() {
	hooks, err := sonzaihook.New(sonzaihook.Secret(exampleSecret), quiet)
	if err != nil {
		fmt.Println(err)
		return
	}
	hooks.OnWakeup(func(context.Context, *sonzaihook.WakeupEvent) error {
		return sonzaihook.Permanent(errors.New("no such user"))
	})
	hooks.OnDeadLetter(func(_ context.Context, d *sonzaihook.Delivery, why error) error {
		fmt.Printf("keep %v: %v\n", d.Type, why)
		return nil
	})
	deliver(hooks, `{"event_type":"agent.wakeup","wakeup":{"wakeup_id":"wk_1"}}`)
	// Output:
	// keep agent.wakeup: no such user
	// 422 {"type":"about:blank","title":"Unprocessable Entity","status":422,"code":"rejected"}
}

func ExampleReceiver_Use() {
	hooks, err := sonzaihook.New(sonzaihook.Secret(exampleSecret), quiet)
	if err != nil {
		fmt.Println(err)
		return
	}
	hooks.Use(func(next sonzaihook.Handler) sonzaihook.Handler {
		return func(ctx context.Context, d *sonzaihook.Delivery) error {
			fmt.Println("begin", d.Type)
			defer fmt.Println("end", d.Type)
			return next(ctx, d)
		}
	})
	hooks.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		fmt.Println(e.Data.Content)
		return nil
	})
	deliver(hooks, `{"event_type":"agent.message","event_id":"evt_1","content":"How was the recital?"}`)
	// Output:
	// begin agent.message
	// How was the recital?
	// end agent.message
	// 200 {"code":"processed"}
}

func ExampleReceiver_Rotate() {
	hooks, err := sonzaihook.New(sonzaihook.Secrets{sonzaihook.EventMessage: {exampleSecret}}, quiet)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := hooks.Rotate(sonzaihook.EventMessage, "whsec_next", time.Hour); err != nil {
		fmt.Println(err)
		return
	}
	deliver(hooks, `{"event_type":"agent.message","event_id":"evt_1"}`) // still signed with the old one
	// Output:
	// 200 {"code":"ignored"}
}

func ExampleReceiver_Receive() {
	hooks, err := sonzaihook.New(sonzaihook.Secret(exampleSecret), quiet)
	if err != nil {
		fmt.Println(err)
		return
	}
	body := []byte(`{"event_type":"agent.message"}`) // as a function platform hands it over
	header := http.Header{}
	header.Set(sonzaihook.SignatureHeader, "t=1767225600,v1="+strings.Repeat("0", 64))
	out := hooks.Receive(context.Background(), header, body)
	fmt.Print(out.Status, " ", string(out.Body()))
	// Output:
	// 401 {"type":"about:blank","title":"Unauthorized","status":401,"code":"unauthorized"}
}

func ExampleVerify() {
	body, now := []byte(`{}`), time.Now()
	header := sonzaihook.Sign(body, exampleSecret, now)
	fmt.Println(sonzaihook.Verify(body, header, exampleSecret, now, sonzaihook.DefaultTolerance))
	fmt.Println(sonzaihook.Verify(body, header, exampleSecret, now.Add(time.Hour), sonzaihook.DefaultTolerance))
	fmt.Println(sonzaihook.Verify([]byte(`{ }`), header, exampleSecret, now, sonzaihook.DefaultTolerance))
	// Output:
	// <nil>
	// sonzaihook: timestamp outside tolerance: 3600 s old, 5m0s allowed
	// sonzaihook: signature mismatch
}
