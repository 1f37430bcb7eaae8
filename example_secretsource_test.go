package sonzaihook_test

import (
	"context"
	"fmt"

	"github.com/sonzaihook/sonzaihook"
)

// Projects that come and go are asked for when a delivery names them.
func ExampleWithSecretSource() {
	lookUp := func(_ context.Context, project string) (sonzaihook.Secrets, error) {
		if project != "shop" {
			return nil, sonzaihook.ErrUnknownProject
		}
		return sonzaihook.Secret(exampleSecret), nil // from your database
	}
	hooks, err := sonzaihook.New(sonzaihook.Secret("whsec_of_the_tenant"), quiet, sonzaihook.WithSecretSource(lookUp))
	if err != nil {
		fmt.Println(err)
		return
	}
	deliver(hooks, `{"event_type":"agent.message","event_id":"evt_1","project_id":"shop"}`)
	deliver(hooks, `{"event_type":"agent.message","event_id":"evt_2","project_id":"school"}`)
	// Output:
	// 200 {"code":"ignored"}
	// 401 {"type":"about:blank","title":"Unauthorized","status":401,"code":"unauthorized"}
}
