package sonzaihook_test

import (
	"fmt"

	"github.com/sonzaihook/sonzaihook"
)

// The platform gives each registration another secret. What one of them signs may only
// be of its type.
func ExampleSecrets() {
	hooks, err := sonzaihook.New(sonzaihook.Secrets{
		sonzaihook.EventMessage: {exampleSecret},
		sonzaihook.EventWakeup:  {"whsec_new", "whsec_old"}, // both are valid
	}, quiet)
	if err != nil {
		fmt.Println(err)
		return
	}
	deliver(hooks, `{"event_type":"agent.message","event_id":"evt_1"}`)
	deliver(hooks, `{"event_type":"agent.wakeup","event_id":"evt_2"}`)
	// Output:
	// 200 {"code":"ignored"}
	// 401 {"type":"about:blank","title":"Unauthorized","status":401,"code":"unauthorized"}
}
