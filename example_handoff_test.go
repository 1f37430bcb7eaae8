package sonzaihook_test

import (
	"context"
	"fmt"

	"github.com/sonzaihook/sonzaihook"
)

// A queue keeps the delivery, the platform is told 202, and the callbacks run behind it.
// The package adapters/sqlhook has such a queue.
func ExampleWithHandOff() {
	queue := make(chan *sonzaihook.Delivery, 10) // stands for one that is durable
	hooks, err := sonzaihook.New(sonzaihook.Secret(exampleSecret), quiet,
		sonzaihook.WithHandOff(func(_ context.Context, d *sonzaihook.Delivery) error {
			queue <- d
			return nil
		}))
	if err != nil {
		fmt.Println(err)
		return
	}
	hooks.OnBreakthrough(func(_ context.Context, e *sonzaihook.BreakthroughEvent) error {
		fmt.Println(e.AgentID, "had a breakthrough")
		return nil
	})
	deliver(hooks, `{"event_type":"agent.breakthrough","event_id":"evt_1","agent_id":"luna"}`)

	d := *<-queue // a worker
	d.Source = sonzaihook.SourceBroker
	out := hooks.Dispatch(context.Background(), &d)
	fmt.Println(out.Code)
	if after, again := out.Retry(); again {
		fmt.Println("try again after", after)
	}
	// Output:
	// 202 {"code":"queued"}
	// luna had a breakthrough
	// processed
}
