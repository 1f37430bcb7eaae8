package sonzaihook_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// What a callback returns decides what the platform does next.
func ExamplePermanent() {
	hooks, err := sonzaihook.New(sonzaihook.Secret(exampleSecret), quiet)
	if err != nil {
		fmt.Println(err)
		return
	}
	hooks.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		switch e.UserID {
		case "gone":
			return sonzaihook.Ignore("the user has left") // it counts as handled
		case "banned":
			return sonzaihook.Permanent(errors.New("no account")) // it is not sent again
		case "busy":
			return sonzaihook.RetryAfter(errors.New("rate limited"), time.Minute)
		}
		return errors.New("the database is away") // it is sent again
	})
	for _, user := range []string{"gone", "banned", "busy", "other"} {
		body := fmt.Appendf(nil, `{"event_type":"agent.message","event_id":"of %s","user_id":%q}`, user, user)
		out := hooks.Dispatch(context.Background(), &sonzaihook.Delivery{Body: body})
		fmt.Println(user, out.Status, out.Code, out.RetryAfter)
	}
	// Output:
	// gone 200 ignored 0s
	// banned 422 rejected 0s
	// busy 503 retry_later 1m0s
	// other 500 failed 0s
}
