package hooktest

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// killParts are about processes that die. A process that dies leaves its lease,
// and the database rolls back its transaction.
var killParts = []txPart{
	{"killed before the transaction begins", func(t *txTest) {
		p := t.start()
		p.hooks.Use(p.InTx)
		p.hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { return p.die() })
		t.killed(p)
	}},
	{"killed after the write", func(t *txTest) {
		t.killed(t.startWith(func(_ context.Context, p *txProcess) error { return p.die() }))
	}},
	{"killed before COMMIT reaches the database", func(t *txTest) {
		p := t.startFaulty(func(p *txProcess, _ func() error) error { return p.die() })
		t.killed(p)
	}},
	{"killed before the answer of COMMIT", func(t *txTest) {
		p := t.startFaulty(func(p *txProcess, commit func() error) error { return errors.Join(commit(), p.die()) })
		p.deliver(1)
		t.wantRows(1, 1)
		t.once(1)
	}},
	{"killed between COMMIT and the receiver's own commit", func(t *txTest) {
		p := t.start()
		p.hooks.Use(func(next sonzaihook.Handler) sonzaihook.Handler {
			return func(ctx context.Context, d *sonzaihook.Delivery) error {
				return errors.Join(next(ctx, d), p.die())
			}
		})
		p.hooks.Use(p.InTx)
		p.on(nil)
		p.deliver(1)
		t.wantRows(1, 1)
		t.once(1)
	}},
	{"a COMMIT that fails is a failure, and the retry writes", func(t *txTest) {
		p := t.startFaulty(func(*txProcess, func() error) error { return errOfCommit })
		t.wantStatus(p.deliver(1), http.StatusInternalServerError)
		t.wantRows(1, 0)
		t.wantStatus(p.deliver(1), http.StatusOK)
		t.once(1)
	}},
	{"a COMMIT whose answer is lost is a failure, and the retry a duplicate", func(t *txTest) {
		p := t.startFaulty(func(_ *txProcess, commit func() error) error { return errors.Join(commit(), errOfCommit) })
		t.wantStatus(p.deliver(1), http.StatusInternalServerError)
		t.wantRows(1, 1)
		t.wantStatus(p.deliver(1), http.StatusOK)
		t.once(1)
	}},
}

var errOfCommit = errors.New("hooktest: connection lost")

// die makes a process die at this point.
func (p *txProcess) die() error {
	p.dead.Store(true)
	return errKilled
}

// killed delivers to a process that dies before it commits, and checks that another
// takes over.
func (t *txTest) killed(p *txProcess) {
	t.Helper()
	p.deliver(1)
	if !p.dead.Load() {
		t.Fatal("the process did not get to where it dies")
	}
	t.wantRows(1, 0)
	t.once(1)
}

// startFaulty starts a process whose first transaction of callbacks commits by fn.
func (t *txTest) startFaulty(fn func(p *txProcess, commit func() error) error) *txProcess {
	t.Helper()
	once := false
	p := t.startWith(func(_ context.Context, p *txProcess) error {
		if !once {
			once = true
			p.OnCommit(func(commit func() error) error { return fn(p, commit) })
		}
		return nil
	})
	if p.OnCommit == nil {
		t.Skip("the instance has no OnCommit")
	}
	return p
}

// lossParts are about holders that lose their claim.
var lossParts = []txPart{
	{"a callback that is longer than its lease keeps it", func(t *txTest) {
		p := t.startWith(func(ctx context.Context, _ *txProcess) error { return rest(ctx, 3*txLease/2) })
		t.wantStatus(p.deliver(1), http.StatusOK)
		t.wantRows(1, 1)
		t.once(1)
	}},
	{"a lost lease rolls back at once, and another takes over", func(t *txTest) {
		p := t.startWith(func(ctx context.Context, p *txProcess) error {
			p.outage.Store(true)
			return rest(ctx, time.Minute)
		})
		t.wantStatus(p.deliver(1), http.StatusInternalServerError)
		t.cause(p, sonzaihook.ErrLeaseLost)
		t.once(1)
	}},
	{"a deadline rolls back at once", func(t *txTest) {
		p := t.startWith(func(ctx context.Context, _ *txProcess) error { return rest(ctx, time.Minute) },
			sonzaihook.WithHandlerTimeout(txLease/2))
		t.wantStatus(p.deliver(1), http.StatusInternalServerError)
		t.cause(p, sonzaihook.ErrHandlerTimeout)
		t.once(1)
	}},
	{"a zombie that ignores its context writes nothing", func(t *txTest) {
		over := make(chan struct{})
		heir := t.startWith(nil)
		zombie := t.startWith(func(_ context.Context, p *txProcess) error {
			defer close(over)
			p.outage.Store(true)
			heir.settle(1)
			return nil
		})
		t.wantStatus(zombie.deliver(1), http.StatusInternalServerError)
		<-over
		t.wantRows(1, 1)
		t.once(1)
	}},
	{"a zombie past its deadline writes nothing", func(t *txTest) {
		over := make(chan struct{})
		zombie := t.startWith(func(ctx context.Context, _ *txProcess) error {
			defer close(over)
			<-ctx.Done()
			time.Sleep(txLease / 2)
			return nil
		}, sonzaihook.WithHandlerTimeout(txLease/2))
		t.wantStatus(zombie.deliver(1), http.StatusInternalServerError)
		<-over
		t.wantRows(1, 0)
		t.once(1)
	}},
	{"a holder that was overtaken and does not know it is stopped by the fence", func(t *txTest) {
		heir := t.startWith(nil)
		p := t.start(sonzaihook.WithLease(time.Hour)) // what the receiver believes
		p.lease.Store(int64(10 * time.Millisecond))   // what the store was told
		p.hooks.Use(p.InTx)
		p.hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
			time.Sleep(20 * time.Millisecond)
			heir.settle(1)
			return p.Insert(ctx, e.ID)
		})
		t.wantStatus(p.deliver(1), http.StatusInternalServerError)
		t.cause(p, sonzaihook.ErrLeaseLost)
		t.wantRows(1, 1)
		t.once(1)
	}},
	{"a former holder cannot commit its own transaction", func(t *txTest) {
		heir := t.startWith(nil)
		p := t.start(sonzaihook.WithLease(time.Hour))
		p.lease.Store(int64(10 * time.Millisecond))
		p.hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
			time.Sleep(20 * time.Millisecond)
			heir.settle(1)
			return p.CommitTx(ctx, e.ID)
		})
		t.wantStatus(p.deliver(1), http.StatusInternalServerError)
		t.cause(p, sonzaihook.ErrLeaseLost)
		t.wantRows(1, 1)
		t.once(1)
	}},
}

// cause checks why a process's last delivery failed.
func (t *txTest) cause(p *txProcess, want error) {
	t.Helper()
	if err := p.last.Load().Err; !errors.Is(err, want) {
		t.Fatalf("the delivery failed with %v, want %v", err, want)
	}
}
