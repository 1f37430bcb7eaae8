package sqlhook_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync/atomic"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
)

// What was given up stays in the queue, to be looked at and sent again when the
// reason is gone.
func ExampleQueue_Retry() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, store, end := openExample(ctx)
	defer end()
	queue := store.Queue("sonzai", sqlhook.WithAttempts(1), sqlhook.WithPoll(10*time.Millisecond))
	hooks, err := sonzaihook.New(sonzaihook.Secret(exampleSecret), quiet,
		sonzaihook.WithStore(store), sonzaihook.WithHandOff(queue.Enqueue))
	if err != nil {
		log.Fatal(err)
	}
	var up atomic.Bool
	hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
		if !up.Load() {
			return errors.New("the model is down")
		}
		return nil
	})
	post(hooks, "evt_1", "content")
	ended := make(chan error, 1)
	go func() { ended <- queue.Run(ctx, hooks) }()

	stats := awaitQueue(ctx, queue, func(s sqlhook.Stats) bool { return s.Dead == 1 })
	fmt.Println(stats.Dead, "dead,", stats.Waiting, "wait")
	dead, err := queue.List(ctx, sqlhook.ListOptions{Dead: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, item := range dead {
		fmt.Println(item.Type, "failed", item.Attempts, "time")
		up.Store(true)
		if err := queue.Retry(ctx, item.ID); err != nil {
			log.Fatal(err)
		}
	}
	stats = awaitQueue(ctx, queue, func(s sqlhook.Stats) bool { return s.Waiting+s.Running+s.Dead == 0 })
	fmt.Println(stats.Dead, "dead,", stats.Waiting, "wait")
	cancel()
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// 202 {"code":"queued"}
	// 1 dead, 0 wait
	// agent.mood_change failed 1 time
	// 0 dead, 0 wait
}

// awaitQueue asks how a queue is until it is as wanted.
func awaitQueue(ctx context.Context, queue *sqlhook.Queue, wanted func(sqlhook.Stats) bool) sqlhook.Stats {
	for {
		stats, err := queue.Stats(ctx)
		if err != nil {
			log.Fatal(err)
		}
		if wanted(stats) {
			return stats
		}
		time.Sleep(10 * time.Millisecond)
	}
}
