package upstream_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/upstream"
)

// The secrets of a receiver follow those of a secret manager, looked at every 30
// seconds; a secret that is replaced stays valid for ten minutes.
func ExampleWatch() {
	fetch := func(context.Context) (sonzaihook.Secrets, error) {
		return sonzaihook.Secrets{sonzaihook.EventMessage: {"whsec_from_the_manager"}}, nil
	}
	hooks, err := sonzaihook.New(upstream.InitialSecrets(nil))
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	if err := upstream.Watch(ctx, hooks, 30*time.Second, fetch, 10*time.Minute); err != nil {
		log.Fatal(err)
	}
	fmt.Println(hooks.HasSecret(sonzaihook.EventMessage))
	// Output: true
}
