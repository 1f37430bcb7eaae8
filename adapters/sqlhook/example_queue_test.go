package sqlhook_test

import (
	"context"
	"fmt"
	"log"

	"github.com/sonzaihook/sonzaihook"
)

// The platform is answered when the delivery is in the queue, and the callback runs
// behind it.
func ExampleStore_Queue() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, store, end := openExample(ctx)
	defer end()
	queue := store.Queue("sonzai")
	hooks, err := sonzaihook.New(sonzaihook.Secret(exampleSecret), quiet,
		sonzaihook.WithStore(store), sonzaihook.WithHandOff(queue.Enqueue))
	if err != nil {
		log.Fatal(err)
	}
	ran := make(chan string, 1)
	hooks.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
		ran <- e.AgentID + " feels " + e.Data.Label
		return nil
	})
	post(hooks, "evt_1", "content")
	post(hooks, "evt_1", "content") // a copy of what waits is not put in again

	ended := make(chan error, 1)
	go func() { ended <- queue.Run(ctx, hooks) }()
	fmt.Println(<-ran)
	cancel() // Run lets finish what runs
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	stats, err := queue.Stats(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(stats.Waiting, "wait")
	// Output:
	// 202 {"code":"queued"}
	// 202 {"code":"queued"}
	// luna feels content
	// 0 wait
}
