package hooktest_test

import (
	"context"
	"fmt"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// An event of a type that is not documented, with a payload of your own. Set changes
// one value before the body is signed.
func ExampleEvent() {
	type lead struct {
		Score int `json:"score"`
	}
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret))
	if err != nil {
		fmt.Println(err)
		return
	}
	sonzaihook.On(hooks, "lead.enriched", func(_ context.Context, e *sonzaihook.Event[lead]) error {
		fmt.Println(e.AgentID, e.Data.Score)
		return nil
	})
	body := hooktest.Event(t, "lead.enriched", lead{Score: 7})
	answer := hooktest.Deliver(t, hooks, body, hooktest.Set("agent_id", "luna"))
	fmt.Println(answer.Code)
	// Output:
	// luna 7
	// 200
}
