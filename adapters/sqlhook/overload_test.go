package sqlhook_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

func TestAReceiverThatAllowsFewAtOnceRefusesFewRows(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		l := newLine(t, d, sqlhook.WithWorkers(3))
		var overloaded, runs atomic.Int64
		l.hooks = newReceiver(t, l.store, sonzaihook.WithMaxInFlight(3), sonzaihook.WithObserver(func(_ context.Context, out sonzaihook.Outcome) {
			if out.Code == sonzaihook.CodeOverloaded {
				overloaded.Add(1)
			}
		}))
		l.hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
			runs.Add(1)
			return nil
		})
		l.enqueue(t, 100)
		began := time.Now()
		l.work(t)
		l.eventually(t, sqlhook.Stats{})
		require.EqualValues(t, 100, runs.Load())
		require.LessOrEqual(t, overloaded.Load(), mostRefused(3, time.Since(began)), "those that wait for their commit count as running, as the queue has found out")
	})
}

// A receiver that is busy with what others deliver refuses each delivery of the queue
// that it is asked for. Workers wait with those that they have, instead of putting off
// all that wait.
func TestABusyReceiverIsNotAskedForEveryRowInTurn(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		const workers = 3
		l := newLine(t, d, sqlhook.WithWorkers(workers))
		var overloaded, runs atomic.Int64
		l.hooks = newReceiver(t, l.store, sonzaihook.WithMaxInFlight(1), sonzaihook.WithObserver(func(_ context.Context, out sonzaihook.Outcome) {
			if out.Code == sonzaihook.CodeOverloaded {
				overloaded.Add(1)
			}
		}))
		entered, release := make(chan struct{}), make(chan struct{})
		l.hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error {
			close(entered)
			<-release
			return nil
		})
		l.hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
			runs.Add(1)
			return nil
		})
		var busy sync.WaitGroup
		busy.Go(func() {
			l.hooks.Dispatch(t.Context(), &sonzaihook.Delivery{Body: hooktest.Fixture(t, sonzaihook.EventMessage)})
		})
		<-entered
		l.enqueue(t, 100)
		began := time.Now()
		l.work(t)
		time.Sleep(300 * time.Millisecond)
		refused, held := overloaded.Load(), time.Since(began)
		close(release)
		busy.Wait()
		l.eventually(t, sqlhook.Stats{})
		require.EqualValues(t, 100, runs.Load())
		require.Positive(t, refused)
		require.LessOrEqual(t, refused, mostRefused(workers, held))
	})
}

// mostRefused returns how often a receiver that runs as many as it may can refuse what
// a number of workers have, in a time. A worker asks for a row seven times, at pauses
// of 10 ms and twice as much each time, which takes half a second at least.
func mostRefused(workers int, in time.Duration) int64 {
	return int64(7*workers) * (1 + int64(in/(500*time.Millisecond)))
}
