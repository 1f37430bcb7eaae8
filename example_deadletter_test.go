package sonzaihook_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/sonzaihook/sonzaihook"
)

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
