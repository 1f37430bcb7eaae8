package sonzaihook_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/sonzaihook/sonzaihook"
)

// An observer is told what became of each delivery, for metrics and audits.
func ExampleWithObserver() {
	hooks, err := sonzaihook.New(sonzaihook.Secret(exampleSecret), quiet,
		sonzaihook.WithObserver(func(_ context.Context, o sonzaihook.Outcome) {
			fmt.Println(o.Status, o.Code, o.Type, o.Err)
		}))
	if err != nil {
		fmt.Println(err)
		return
	}
	hooks.OnWakeup(func(context.Context, *sonzaihook.WakeupEvent) error { return errors.New("the calendar is away") })
	deliver(hooks, `{"event_type":"agent.wakeup","wakeup":{"wakeup_id":"wk_1"}}`)
	// Output:
	// 500 failed agent.wakeup the calendar is away
	// 500 {"type":"about:blank","title":"Internal Server Error","status":500,"code":"failed"}
}
