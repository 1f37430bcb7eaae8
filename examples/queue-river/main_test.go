package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/pgxhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/postgresserver"
)

const (
	patience      = time.Minute
	authorization = "Bearer shared-with-the-platform"
)

// TestMain is the program itself where a test has started it as a process.
func TestMain(m *testing.M) {
	if os.Getenv("QUEUE_RIVER_PROGRAM") != "" {
		main()
		return
	}
	_ = os.Setenv("SONZAI_WEBHOOK_SECRET", hooktest.Secret)
	os.Exit(m.Run())
}

// queue is a receiver and its River on a database of the test's.
type queue struct {
	pool  *pgxpool.Pool
	dsn   string
	hooks *sonzaihook.Receiver
	river *river.Client[pgx.Tx] // not started

	mu       sync.Mutex
	outcomes []sonzaihook.Outcome // of the workers
}

func newQueue(t *testing.T) *queue {
	t.Helper()
	server, err := postgresserver.Start(t.Context())
	if errors.Is(err, postgresserver.ErrNotInstalled) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(server.Stop)
	q := &queue{dsn: server.DSN("postgres")}
	q.pool, err = pgxpool.New(t.Context(), q.dsn+"&pool_max_conns=20")
	require.NoError(t, err)
	t.Cleanup(q.pool.Close)
	store, err := pgxhook.New(q.pool)
	require.NoError(t, err)
	require.NoError(t, prepare(t.Context(), q.pool, store))
	q.hooks, err = newHooks(q.pool, store, sonzaihook.WithLogger(slog.New(slog.DiscardHandler)),
		sonzaihook.WithObserver(q.observe), sonzaihook.WithAuthorization(authorization))
	require.NoError(t, err)
	q.river, err = newWorkers(q.pool, q.hooks)
	require.NoError(t, err)
	return q
}

func (q *queue) observe(_ context.Context, out sonzaihook.Outcome) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if out.Source == sonzaihook.SourceBroker {
		q.outcomes = append(q.outcomes, out)
	}
}

// codes returns the codes of the workers' outcomes for a type.
func (q *queue) codes(event sonzaihook.EventType) (codes []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, out := range q.outcomes {
		if out.Type == event {
			codes = append(codes, out.Code)
		}
	}
	return codes
}

func (q *queue) start(t *testing.T) {
	t.Helper()
	require.NoError(t, q.river.Start(context.WithoutCancel(t.Context())))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, q.river.Stop(ctx))
	})
}

func (q *queue) deliver(t *testing.T, body []byte) string {
	t.Helper()
	return hooktest.Deliver(t, q.hooks, body, hooktest.Authorization(authorization)).Body.String()
}

// jobs returns all jobs, the oldest first.
func (q *queue) jobs(t *testing.T) []*rivertype.JobRow {
	t.Helper()
	list, err := q.river.JobList(t.Context(), river.NewJobListParams().OrderBy(river.JobListOrderByID, river.SortOrderAsc))
	require.NoError(t, err)
	return list.Jobs
}

// await returns the job when it is in the state.
func (q *queue) await(t *testing.T, id int64, state rivertype.JobState) (job *rivertype.JobRow) {
	t.Helper()
	require.Eventually(t, func() bool {
		var err error
		job, err = q.river.JobGet(t.Context(), id)
		return err == nil && job.State == state
	}, patience, 10*time.Millisecond)
	return job
}

func (q *queue) count(t *testing.T, table string) (n int) {
	t.Helper()
	require.NoError(t, q.pool.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

func (q *queue) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	_, err := q.pool.Exec(t.Context(), query, args...)
	require.NoError(t, err)
}

// answer is the body of the answer with a code.
func answer(code string) string { return string(sonzaihook.Outcome{Code: code}.Body()) }
