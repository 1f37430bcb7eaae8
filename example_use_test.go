package sonzaihook_test

import (
	"context"
	"fmt"

	"github.com/sonzaihook/sonzaihook"
)

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
