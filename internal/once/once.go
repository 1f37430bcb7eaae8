// Package once runs a piece of work once: under a claim in a store, in a goroutine
// that outlives its client, bounded in time.
//
//	once.go    Runner, Work, Do: claim, run, wait
//	lease.go   the claim: who owns it, renewal, settlement
//	context.go Context: a context that costs nothing until it is used
//	gate.go    how many run, and Shutdown
//	latch.go   an event that happens once
//	store.go   Store, and calls to one, which may panic
//	mark.go    keys in the store that belong to no work: Mark, Probe
//	memory.go  Memory: the store of one process (shard.go)
//	errors.go  every error
//
// It knows nothing of deliveries. What it runs recovers its panics itself; a
// goroutine that ends without returning counts as work that failed.
package once

import (
	"context"
	"crypto/rand"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Work is what a Runner runs.
type Work interface {
	// Run does the work under ctx, and reports whether it counts as handled. It is
	// called once, in a goroutine of the Runner's, and recovers its panics.
	Run(ctx *Context) (handled bool)
}

const (
	// lateGrace is how long work whose context has ended may take to return.
	lateGrace = 100 * time.Millisecond
	// shortestWait keeps a short lease from being watched all the time.
	shortestWait = 5 * time.Millisecond
)

// Runner runs work. Its fields must not be changed after the first use. It is safe
// for concurrent use.
type Runner struct {
	// Claims is where claims are kept; without a Store nothing is claimed.
	Claims Claims
	// Limit is how many may run at once; 0 sets no limit.
	Limit int
	// Warn is called with what only the operator can act on.
	Warn func(ctx context.Context, message string, w Work, err error)

	gate     gate
	instance sync.Once
	prefix   string // what the tokens of this runner begin with
	count    atomic.Uint64
}

// Attempt is one run of a piece of work: the memory for it, to be embedded in the
// Work. The zero Attempt is ready for one call of Do.
type Attempt struct {
	r       *Runner
	work    Work
	key     string
	token   string // empty: it runs without a claim
	timeout time.Duration
	deep    bool
	ctx     Context

	asked time.Time // when the claim was asked for or last renewed; guarded by owning the claim
	over  latch     // Run has ended
	rest  latch     // the claim is settled, or settling it has failed once

	mu      sync.Mutex // guards what follows
	handled bool
	ended   bool // Run has ended
	kept    bool // the keeper owns the claim
}

// Order says how a piece of work is run.
type Order struct {
	Key     string
	Claim   bool // under a claim for the key
	Timeout time.Duration
	Deep    bool // the work needs more stack than a goroutine begins with
}

// Do runs w to its end, and returns nil, or the reason why it did not run or why its
// end was not waited for: ErrInFlight, ErrDone, ErrHandlerTimeout, ErrShuttingDown,
// ErrOverloaded, or an *UnavailableError. Run has returned, and what it wrote may be
// read, only if Do returns nil. a must be the Attempt of w.
func (r *Runner) Do(parent context.Context, a *Attempt, w Work, o Order) error {
	if err := r.gate.enter(r.Limit); err != nil {
		return err
	}
	a.r, a.work, a.key, a.timeout, a.deep = r, w, o.Key, o.Timeout, o.Deep
	if a.asked.IsZero() {
		a.asked = time.Now()
	}
	started := a.asked
	if o.Claim && r.Claims.Store != nil {
		a.token = r.newToken()
		if err := a.claim(parent); err != nil {
			return err
		}
		if !r.Claims.Local {
			started = time.Now()
		}
	}
	a.ctx.init(parent, started, o.Timeout, ErrHandlerTimeout, a)
	go a.run()
	// Most work ends before it first blocks. Then this goroutine need not block either,
	// nor set a timer.
	runtime.Gosched()
	return a.wait()
}

// Began sets when the work arrived, by time.Now. It is called before Do: the lease and
// the timeout are counted from then. Otherwise Do reads the clock, which is not free.
func (a *Attempt) Began(at time.Time) { a.asked = at }

// Aside runs fn like a piece of work that claims nothing and that Limit does not
// count. It returns when fn has returned, or ErrHandlerTimeout when that takes too
// long.
func (r *Runner) Aside(parent context.Context, timeout time.Duration, fn func(context.Context)) error {
	if err := r.gate.enterUncounted(); err != nil {
		return err
	}
	ctx := &Context{}
	ctx.init(parent, time.Now(), timeout, ErrHandlerTimeout, nil)
	var over latch
	go func() {
		defer r.gate.leaveUncounted()
		defer over.open()
		defer ctx.End(context.Canceled)
		fn(ctx)
	}()
	if done := over.wait(); done != nil {
		late := time.NewTimer(saturated(timeout, lateGrace))
		defer late.Stop()
		select {
		case <-done:
		case <-late.C:
			return ErrHandlerTimeout
		}
	}
	return nil
}

// Shutdown refuses new work, and waits for what is running until ctx ends.
func (r *Runner) Shutdown(ctx context.Context) error { return r.gate.close(ctx) }

// ShuttingDown reports whether Shutdown was called.
func (r *Runner) ShuttingDown() bool { return r.gate.isClosed() }

// Running returns the attempt under whose context, or one that was made from it,
// the caller runs; else nil.
func Running(ctx context.Context) *Attempt {
	a, _ := ctx.Value(ownerKey{}).(*Attempt)
	return a
}

// Work returns what the attempt runs.
func (a *Attempt) Work() Work { return a.work }

// Claim returns the key and the token of the claim under which the attempt runs,
// and whether there is one.
func (a *Attempt) Claim() (key, token string, ok bool) { return a.key, a.token, a.token != "" }

// run is the goroutine of an attempt.
func (a *Attempt) run() {
	handled := false
	if a.deep {
		grow(0)
	}
	// Deferred, because user code may end the goroutine.
	defer func() { a.end(handled) }()
	handled = a.work.Run(&a.ctx)
}

// grow makes the stack of the calling goroutine large enough for a query of
// database/sql, which takes about 8 KB, in one step and while there is little to copy.
// Left alone the stack would be doubled two or three times, each time with every frame
// that is on it by then. Room for the frame is made on entry; n is 0, so that the frame
// is not cleared.
//
//go:noinline
func grow(n byte) byte {
	if n == 0 {
		return n
	}
	var frame [8 << 10]byte
	frame[n] = n
	return frame[int(n)%len(frame)]
}

// end settles the claim, unless the keeper owns it.
func (a *Attempt) end(handled bool) {
	if a.token == "" { // nothing to settle, and no keeper
		a.ctx.End(context.Canceled)
		a.r.gate.leave()
		a.over.open()
		return
	}
	a.mu.Lock()
	a.handled, a.ended = handled, true
	kept := a.kept
	a.mu.Unlock()
	a.ctx.End(context.Canceled)
	a.over.open()
	if !kept {
		a.settle()
	}
}

// wait returns when the work is over and settled, or sooner if it takes too long.
// It owns nothing: when the first part of the lease has passed it starts the keeper.
func (a *Attempt) wait() error {
	over := a.over.wait()
	if over == nil {
		return a.waitSettled()
	}
	timer := time.NewTimer(a.nextCheck(false))
	defer timer.Stop()
	for kept := false; ; timer.Reset(a.nextCheck(kept)) {
		select {
		case <-over:
			return a.waitSettled()
		case <-timer.C:
		}
		late := a.late()
		if !kept && a.token != "" && (late || time.Since(a.asked) >= a.r.Claims.Lease/3) {
			kept = true
			a.startKeeper()
		}
		if late {
			return ErrHandlerTimeout
		}
	}
}

// waitSettled waits up to a second for the store. The outcome of the work is known.
func (a *Attempt) waitSettled() error {
	if a.token == "" {
		return nil
	}
	rest := a.rest.wait()
	if rest == nil {
		return nil
	}
	timer := time.NewTimer(StoreTimeout)
	defer timer.Stop()
	select {
	case <-rest:
	case <-timer.C:
	}
	return nil
}

// late reports whether the work is still running after its context has ended.
func (a *Attempt) late() bool {
	return a.timeout > 0 && time.Since(a.ctx.started) >= saturated(a.timeout, lateGrace)
}

// nextCheck returns when the attempt has to be looked at.
func (a *Attempt) nextCheck(kept bool) time.Duration {
	next := Forever
	if a.timeout > 0 {
		next = saturated(a.timeout, lateGrace) - time.Since(a.ctx.started)
	}
	if !kept && a.token != "" {
		next = min(next, a.r.Claims.Lease/3-time.Since(a.asked))
	}
	return max(next, shortestWait)
}

// newToken returns a token that no other attempt has, of this process or another.
func (r *Runner) newToken() string {
	r.instance.Do(func() { r.prefix = rand.Text() + "-" })
	var token [64]byte
	return string(strconv.AppendUint(append(token[:0], r.prefix...), r.count.Add(1), 36))
}
