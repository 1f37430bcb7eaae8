package inspector_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/inspector"
)

// The page beside a receiver, below /inspector/ of the same server. A sample that
// is sent from it goes the way of a delivery.
func Example() {
	secrets := sonzaihook.Secret("whsec_of_this_example")
	hooks, err := sonzaihook.New(secrets)
	if err != nil {
		panic(err)
	}
	hooks.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		fmt.Println(e.AgentID, "says:", e.Data.Content)
		return nil
	})

	page := inspector.New(hooks, inspector.WithSecrets(secrets))
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/sonzai", page.Capture(hooks))
	mux.Handle("/inspector/", page.Handler())
	server := httptest.NewServer(mux)
	defer server.Close()
	defer page.Close()

	form := url.Values{"type": {"agent.message"}, "field.data.content": {"Good morning!"}}
	answer, err := http.Post(server.URL+"/inspector/send", "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	if err != nil {
		panic(err)
	}
	defer func() { _ = answer.Body.Close() }()
	fmt.Println(answer.Status, answer.Request.URL.Path)
	// Output:
	// agent_luna says: Good morning!
	// 200 OK /inspector/deliveries/1
}
