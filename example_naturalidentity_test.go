package sonzaihook_test

import (
	"context"
	"fmt"

	"github.com/sonzaihook/sonzaihook"
)

// Where events come by push and by poll, what they are about is their identity: a
// polled message has no event id.
func ExampleNaturalIdentity() {
	hooks, err := sonzaihook.New(sonzaihook.Secret(exampleSecret), quiet, sonzaihook.WithIdentity(sonzaihook.NaturalIdentity))
	if err != nil {
		fmt.Println(err)
		return
	}
	hooks.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		fmt.Println(e.Data.Content)
		return nil
	})
	deliver(hooks, `{"event_type":"agent.message","event_id":"evt_1","data":{"message_id":"msg_1","content":"Hello!"}}`)
	polled := []byte(`{"event_type":"agent.message","data":{"message_id":"msg_1","content":"Hello!"}}`)
	fmt.Println(hooks.Dispatch(context.Background(), &sonzaihook.Delivery{Body: polled, Source: sonzaihook.SourcePoll}).Code)
	// Output:
	// Hello!
	// 200 {"code":"processed"}
	// duplicate
}
