package sonzaihook_test

import (
	"context"
	"fmt"

	"github.com/sonzaihook/sonzaihook"
)

func ExampleOn() {
	type Lead struct {
		Score int `json:"score"`
	}
	hooks, err := sonzaihook.New(sonzaihook.Secret(exampleSecret), quiet)
	if err != nil {
		fmt.Println(err)
		return
	}
	sonzaihook.On(hooks, "lead.enriched", func(_ context.Context, e *sonzaihook.Event[Lead]) error {
		fmt.Println("a lead of", e.Data.Score)
		return nil
	})
	deliver(hooks, `{"event_type":"lead.enriched","data":{"score":7}}`)
	// Output:
	// a lead of 7
	// 200 {"code":"processed"}
}
