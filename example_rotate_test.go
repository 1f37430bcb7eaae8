package sonzaihook_test

import (
	"fmt"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

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
