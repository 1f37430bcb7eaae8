package hooktest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// TxDatabase is an empty database for a part of [RunInTx].
type TxDatabase struct {
	// Start makes what one process of a fleet would make. All instances share the
	// database.
	Start func(testing.TB) TxInstance
	// Count returns how many rows are committed that Insert wrote under a name.
	Count func(t testing.TB, name string) int
}

// TxInstance is a store that writes "done" in the transaction in which callbacks
// write.
type TxInstance struct {
	Store sonzaihook.Store
	// InTx is the store's middleware, under the default isolation level.
	InTx func(sonzaihook.Handler) sonzaihook.Handler
	// Levels are the middleware under each isolation level that there is.
	Levels map[string]func(sonzaihook.Handler) sonzaihook.Handler
	// Insert writes one row under a name in the transaction of InTx.
	Insert func(ctx context.Context, name string) error
	// CommitTx writes one row under a name in a new transaction, lets the
	// store write "done" in it, and commits.
	CommitTx func(ctx context.Context, name string) error
	// OnCommit replaces what the next COMMIT of this instance does. The function
	// given to it is passed the real one. Where it is nil the parts about a COMMIT
	// that fails are skipped.
	OnCommit func(func(commit func() error) error)
}

type txPart struct {
	name string
	run  func(*txTest)
}

// txLease is the lease of a process that is killed, after which another takes over.
const txLease = 2 * time.Second

type txTest struct {
	*testing.T
	db TxDatabase
}

// txProcess is one instance with a receiver, which can die.
type txProcess struct {
	TxInstance
	t     *txTest
	hooks *sonzaihook.Receiver
	dead  atomic.Bool
	// outage lets claims fail, so that the lease cannot be renewed.
	outage atomic.Bool
	// lease replaces the one that the receiver asks for; zero does not.
	lease atomic.Int64
	last  atomic.Pointer[sonzaihook.Outcome]
}

func (t *txTest) start(options ...sonzaihook.Option) *txProcess {
	t.Helper()
	p := &txProcess{TxInstance: t.db.Start(t), t: t}
	var err error
	p.hooks, err = sonzaihook.New(sonzaihook.Secret(Secret), append([]sonzaihook.Option{
		sonzaihook.WithStore(mortalStore{p}), sonzaihook.WithLogger(slog.New(slog.DiscardHandler)),
		sonzaihook.WithLease(txLease),
		sonzaihook.WithObserver(func(_ context.Context, out sonzaihook.Outcome) { p.last.Store(&out) }),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// startWith starts a process in whose callback fn runs after one row was written.
func (t *txTest) startWith(fn func(context.Context, *txProcess) error, options ...sonzaihook.Option) *txProcess {
	t.Helper()
	p := t.start(options...)
	p.hooks.Use(p.InTx)
	p.on(fn)
	return p
}

// on registers a callback that writes one row under the event's id and then calls fn.
func (p *txProcess) on(fn func(context.Context, *txProcess) error) {
	p.hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
		if err := p.Insert(ctx, e.ID); err != nil {
			return err
		}
		if fn == nil {
			return nil
		}
		return fn(ctx, p)
	})
}

// deliver delivers event n and returns the status.
func (p *txProcess) deliver(n int) int {
	p.t.Helper()
	answer := httptest.NewRecorder()
	p.hooks.ServeHTTP(answer, newRequest(p.t, txBody(n), nil))
	return answer.Code
}

// settle delivers event n until the answer is 2xx, as the platform does.
func (p *txProcess) settle(n int) {
	p.t.Helper()
	status := 0
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if status = p.deliver(n); status < 300 {
			return
		}
	}
	p.t.Fatalf("event %d is still answered %d: %v", n, status, p.last.Load().Err)
}

func (t *txTest) wantStatus(got, want int) {
	t.Helper()
	if got != want {
		t.Fatalf("the answer was %d, want %d", got, want)
	}
}

// wantRows checks what event n left.
func (t *txTest) wantRows(n, want int) {
	t.Helper()
	if got := t.db.Count(t, txID(n)); got != want {
		t.Fatalf("event %d left %d rows, want %d", n, got, want)
	}
}

// once checks that event n leaves one row, whatever happened before, and that a copy
// is a duplicate for a new process.
func (t *txTest) once(n int) {
	t.Helper()
	heir := t.startWith(nil)
	heir.settle(n)
	t.wantRows(n, 1)
	t.wantStatus(t.startWith(nil).deliver(n), http.StatusOK)
	t.wantRows(n, 1)
}

func txID(n int) string { return fmt.Sprint("evt_", n) }

func txBody(n int) []byte {
	return fmt.Appendf(nil, `{"event_type":"agent.mood_change","event_id":%q,"agent_id":"a","data":{"label":"calm"}}`, txID(n))
}

var errKilled = errors.New("hooktest: the process is dead")

// mortalStore is the store of a process. One that is dead neither commits nor
// releases nor renews.
type mortalStore struct{ p *txProcess }

func (m mortalStore) Claim(ctx context.Context, key, token string, lease time.Duration) (sonzaihook.State, error) {
	if m.p.dead.Load() || m.p.outage.Load() {
		return 0, errKilled
	}
	if other := m.p.lease.Load(); other > 0 {
		lease = time.Duration(other)
	}
	return m.p.Store.Claim(ctx, key, token, lease)
}

func (m mortalStore) Commit(ctx context.Context, key, token string, keep time.Duration) error {
	if m.p.dead.Load() {
		return errKilled
	}
	return m.p.Store.Commit(ctx, key, token, keep)
}

func (m mortalStore) Release(ctx context.Context, key, token string) error {
	if m.p.dead.Load() {
		return errKilled
	}
	return m.p.Store.Release(ctx, key, token)
}
