package upstream_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/upstream"
)

// application is a server of a user's: a receiver at one address, secrets that
// are saved, and a store. What outlives a restart is the vault and the store:
// they stand for what a deployment keeps outside of the process, such as a
// database and Redis.
type application struct {
	platform
	*site
	vault
	store sonzaihook.Store
	seen  *tallies

	mu    sync.Mutex // held by a restart and by a rotation: one process does both
	hooks *sonzaihook.Receiver
}

// boot starts the application with what an earlier process has left.
func (a *application) boot(t *testing.T) {
	t.Helper()
	a.hooks = newHooks(t, a.load(), sonzaihook.WithStore(a.store))
	a.seen.listen(a.hooks)
	a.start(t, a.hooks)
	_, err := upstream.Subscribe(t.Context(), a.hooks, a.webhooks, a.url(), upstream.WithSecretSink(a.save))
	require.NoError(t, err)
}

// restart stops the application, is away for a while, and boots it. A hard stop
// cuts the connections, so that the platform does not hear the answers to what
// is running; what runs goes on to its end, as the process lives on.
func (a *application) restart(t *testing.T, hard bool) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if hard {
		require.NoError(t, a.server.Close())
	}
	require.NoError(t, a.hooks.Shutdown(t.Context()))
	require.NoError(t, a.server.Shutdown(t.Context()))
	time.Sleep(100 * time.Millisecond)
	a.boot(t)
}

func (a *application) rotate(t *testing.T, typ sonzaihook.EventType) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	err := upstream.Rotate(t.Context(), a.hooks, a.webhooks, typ, time.Minute, upstream.WithSecretSink(a.save))
	require.NoError(t, err)
}

// tallies counts the runs of the callbacks by event.
type tallies struct {
	runs  sync.Map // id -> *atomic.Int32
	total atomic.Int64
}

func (c *tallies) listen(hooks *sonzaihook.Receiver) {
	hooks.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error { return c.run(e.ID) })
	hooks.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error { return c.run(e.ID) })
	hooks.OnMemoryAdded(func(_ context.Context, e *sonzaihook.MemoryAddedEvent) error { return c.run(e.ID) })
	hooks.OnBreakthrough(func(_ context.Context, e *sonzaihook.BreakthroughEvent) error { return c.run(e.ID) })
	hooks.OnWakeup(func(_ context.Context, e *sonzaihook.WakeupEvent) error { return c.run(e.ID) })
	hooks.OnConsolidation(func(_ context.Context, e *sonzaihook.ConsolidationEvent) error { return c.run(e.ID) })
}

func (c *tallies) run(id string) error {
	n, _ := c.runs.LoadOrStore(id, new(atomic.Int32))
	n.(*atomic.Int32).Add(1)
	c.total.Add(1)
	return nil
}

func (c *tallies) of(id string) int {
	n, ok := c.runs.Load(id)
	if !ok {
		return 0
	}
	return int(n.(*atomic.Int32).Load())
}

// Ten thousand events reach the callbacks over real sockets while the secrets of
// all types rotate over and over and the receiver restarts three times: each is
// run once, and each is in the delivery log as delivered.
func TestTenThousandEventsSurviveRotationsAndRestarts(t *testing.T) {
	t.Parallel()
	const events, restarts = 10_000, 3
	a := &application{
		// Retries start after 10 ms and go on for longer than any restart takes.
		platform: newPlatform(t, simulator.WithAttempts(200, time.Second, 10*time.Second)),
		site:     newSite(t), store: sonzaihook.NewMemoryStore(2 * events), seen: &tallies{},
	}
	a.boot(t)
	types := sonzaihook.EventTypes()

	background, stop := context.WithCancel(t.Context())
	var rotations atomic.Int64
	var work sync.WaitGroup
	work.Go(func() { // a second of the platform's time is 10 ms here
		for i := 0; background.Err() == nil; i++ {
			a.rotate(t, types[i%len(types)])
			rotations.Add(1)
			time.Sleep(10 * time.Millisecond)
		}
	})
	work.Go(func() {
		for n := range restarts {
			for a.seen.total.Load() < int64((n+1)*events/(restarts+1)) && background.Err() == nil {
				time.Sleep(time.Millisecond)
			}
			a.restart(t, n == 1)
		}
	})

	ids := make(map[sonzaihook.EventType][]string)
	for i := range events {
		typ := types[i%len(types)]
		ids[typ] = append(ids[typ], a.emit(t, simulator.Event{
			Type: string(typ), AgentID: fmt.Sprintf("agent_%d", i%7), Route: simulator.RoutePush,
			Layout: []simulator.Layout{simulator.LayoutData, simulator.LayoutFlat}[i/len(types)%2],
		}))
	}
	a.wait(t)
	stop()
	work.Wait()

	require.EqualValues(t, events, a.Stats().Delivered, "the platform gave up: %+v", a.Stats())
	require.Greater(t, int(rotations.Load()), 3*len(types), "every secret rotated several times")
	inLog := a.readLog(t, types)
	retried := 0
	for typ, list := range ids {
		for _, id := range list {
			require.Equal(t, 1, a.seen.of(id), "runs of %s %s", typ, id)
			require.Equal(t, 1, inLog[id].delivered, "deliveries of %s %s", typ, id)
			if inLog[id].attempts > 1 {
				retried++
			}
		}
	}
	require.EqualValues(t, events, a.seen.total.Load())
	require.Len(t, inLog, events)
	require.NotZero(t, retried, "nothing went wrong in between")
	t.Logf("%d events, %d rotations, %d restarts, %d events tried more than once", events, rotations.Load(), restarts, retried)

	report, err := upstream.Replay(t.Context(), a.hooks, a.webhooks)
	require.NoError(t, err)
	require.Empty(t, report.Deliveries, "nothing was missed")
}

// logged is what the delivery log has of one event.
type logged struct{ attempts, delivered int }

// readLog reads the delivery log through the API. No attempt may have got a final
// refusal: one more of those and the event would have been lost.
func (a *application) readLog(t *testing.T, types []sonzaihook.EventType) map[string]logged {
	t.Helper()
	all := map[string]logged{}
	for _, typ := range types {
		for attempt, err := range a.webhooks.Attempts(t.Context(), string(typ), 500) {
			require.NoError(t, err)
			require.False(t, attempt.ResponseCode >= 400 && attempt.ResponseCode < 500, "%d", attempt.ResponseCode)
			var body struct {
				ID string `json:"event_id"`
			}
			require.NoError(t, json.Unmarshal(attempt.RequestBody, &body))
			entry := all[body.ID]
			entry.attempts++
			if attempt.ResponseCode == http.StatusOK {
				entry.delivered++
			}
			all[body.ID] = entry
		}
	}
	return all
}
