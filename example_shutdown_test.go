package sonzaihook_test

import (
	"context"
	"fmt"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// What runs is let finish, and what comes now is sent again by the platform, to
// another instance or to the next version of this one.
func ExampleReceiver_Shutdown() {
	hooks, err := sonzaihook.New(sonzaihook.Secret(exampleSecret), quiet)
	if err != nil {
		fmt.Println(err)
		return
	}
	hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error { return nil })
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := hooks.Shutdown(ctx); err != nil { // before http.Server.Shutdown
		fmt.Println("some callback still runs:", err)
	}
	deliver(hooks, `{"event_type":"agent.message","event_id":"evt_1"}`)
	// Output:
	// 503 {"type":"about:blank","title":"Service Unavailable","status":503,"code":"shutting_down"}
}
