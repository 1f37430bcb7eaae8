package inspector_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/inspector"
)

// placeIn is what a user writes to show a queue of sqlhook.
func placeIn(queue *sqlhook.Queue) inspector.QueueFunc {
	return func(ctx context.Context, id string) (inspector.Place, bool, error) {
		item, err := queue.Show(ctx, id)
		if errors.Is(err, sqlhook.ErrNoItem) {
			return inspector.Place{}, false, nil
		}
		return inspector.Place{
			Attempts: item.Attempts, Running: item.Running, Dead: item.Dead,
			EnqueuedAt: item.EnqueuedAt, Due: item.Due, Reason: item.Reason,
		}, err == nil, err
	}
}

func TestADeliveryOfAQueueSaysWhereItStands(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "queue.db")+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(wal)")
	require.NoError(t, err)
	defer func() { _ = db.Close() }()
	store, err := sqlhook.New(db, sqlhook.SQLite)
	require.NoError(t, err)
	require.NoError(t, store.Migrate(t.Context()))
	queue := store.Queue("seen", sqlhook.WithAttempts(2), sqlhook.WithBackoff(time.Second, time.Minute))
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret), sonzaihook.WithStore(store),
		sonzaihook.WithHandOff(queue.Enqueue), sonzaihook.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	started, goOn := make(chan struct{}, 1), make(chan error)
	hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error {
		started <- struct{}{}
		return <-goOn
	})
	page := inspector.New(hooks, inspector.WithSecrets(sonzaihook.Secret(hooktest.Secret)), inspector.WithQueue(placeIn(queue)))
	d := &desk{t: t, hooks: hooks, page: page, handler: page.Capture(hooks)}
	shows := func(texts ...string) {
		t.Helper()
		require.Eventually(t, func() bool { return containsAll(d.get("/deliveries/1").Body.String(), texts...) }, 30*time.Second, 20*time.Millisecond, texts)
	}

	require.Equal(t, http.StatusAccepted, d.message())
	shows("Place in the queue", `<span class="status">pending</span>`, "It waits for a worker.")

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- queue.Run(ctx, hooks) }()
	<-started
	shows(`<span class="status">running</span>`)
	goOn <- errors.New("the model is away, " + hooktest.Secret)
	shows(`<span class="status">retry</span>`, "Next try", "the model is away")
	require.NotContains(t, d.get("/deliveries/1").Body.String(), hooktest.Secret)
	<-started
	goOn <- errors.New("still away")
	shows(`<span class="status">dead</span>`, "still away")

	n, err := queue.RetryDead(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	<-started
	goOn <- nil
	shows(`<span class="status">done</span>`, "A worker has run it: see #")
	stop()
	require.NoError(t, <-ended)
}

func TestWithoutAQueueADeliveryWasHandedOff(t *testing.T) {
	t.Parallel()
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret), sonzaihook.WithLogger(slog.New(slog.DiscardHandler)),
		sonzaihook.WithHandOff(func(context.Context, *sonzaihook.Delivery) error { return nil }))
	require.NoError(t, err)
	hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error { return nil })
	page := inspector.New(hooks)
	d := &desk{t: t, hooks: hooks, page: page, handler: page.Capture(hooks)}
	require.Equal(t, http.StatusAccepted, d.message())
	require.Contains(t, d.get("/deliveries/1").Body.String(), `<span class="status">handed off</span>`)

	id, _ := sonzaihook.IdentityOf(&sonzaihook.Delivery{Type: sonzaihook.EventMessage, Body: fixed(t)})
	out := hooks.Dispatch(t.Context(), &sonzaihook.Delivery{ID: id, Type: sonzaihook.EventMessage, Source: sonzaihook.SourceBroker, Body: fixed(t)})
	require.Equal(t, sonzaihook.CodeProcessed, out.Code)
	require.Contains(t, d.get("/deliveries/1").Body.String(), "A worker has run it: see #2.")
}

func TestAQueueThatFailsIsSaidAndTheRestIsShown(t *testing.T) {
	t.Parallel()
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret), sonzaihook.WithLogger(slog.New(slog.DiscardHandler)),
		sonzaihook.WithHandOff(func(context.Context, *sonzaihook.Delivery) error { return nil }))
	require.NoError(t, err)
	page := inspector.New(hooks, inspector.WithQueue(inspector.QueueFunc(func(ctx context.Context, _ string) (inspector.Place, bool, error) {
		_, limited := ctx.Deadline()
		require.True(t, limited)
		return inspector.Place{}, false, errors.New("no route to host")
	})))
	d := &desk{t: t, hooks: hooks, page: page, handler: page.Capture(hooks)}
	require.Equal(t, http.StatusAccepted, d.message())
	answer := d.get("/deliveries/1")
	require.Equal(t, http.StatusOK, answer.Code)
	require.True(t, containsAll(answer.Body.String(), "The queue did not say", "no route to host", "recital"))
}
