package sonzaihook

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// attempt is one try to handle a delivery. A goroutine of its own claims the
// delivery, runs the callbacks and settles the claim, whatever becomes of the
// client; the goroutine that answers only waits, and not for longer than the
// step that is under way may take.
type attempt struct {
	r       *Receiver
	d       *Delivery
	table   *routeTable
	token   string
	timeout time.Duration // of the callbacks, 0: none
	ctx     runContext    // the callbacks' context, whose start is the attempt's
	phase   atomic.Int32

	doneMu sync.Mutex
	over   bool          // the goroutine has ended
	done   chan struct{} // closed then; made when somebody waits

	refused error   // why nothing may run and only the dead letter is left
	err     error   // what the callbacks returned
	out     Outcome // set before the phase settling

	beingRenewed bool // the claim was, when the run ended
}

// The phases of an attempt, in order. An attempt that is answered while it claims
// is abandoned: whatever it claims then, it gives back.
const (
	claiming int32 = iota
	running
	renewing // and running
	settling
	stopped // nothing ran: it was no use or not possible
	abandoned
)

// lateGrace is how long a callback whose context has ended may take to return.
const lateGrace = 100 * time.Millisecond

var errGoexit = errors.New("sonzaihook: callback ended its goroutine")

// attempt runs a delivery to its outcome. With an error it does not run the
// callbacks but only offers the delivery to the dead letter.
func (r *Receiver) attempt(ctx context.Context, d *Delivery, table *routeTable, refused error) Outcome {
	if err := r.gate.enter(); err != nil {
		return refusal(err)
	}
	a := d.attempt
	if a == nil {
		a = new(attempt)
	}
	a.r, a.d, a.table, a.refused = r, d, table, refused
	a.out = failed.outcome(errGoexit)
	a.ctx.parent, a.ctx.expired = ctx, ErrHandlerTimeout
	a.timeout = r.handlerTimeout
	if d.Source != SourceWebhook {
		if own, ok := ctx.Value(runTimeoutKey{}).(time.Duration); ok {
			a.timeout = own
		}
	}
	a.ctx.started, a.ctx.limit, a.ctx.attempt = time.Now(), a.timeout, a
	if a.claims() {
		a.token = r.newToken()
	}
	// A store in memory answers at once, and for a copy this is all.
	if r.storeIsLocal && !a.claim() {
		r.gate.leave()
		return a.out
	}
	go a.work()
	// Most callbacks end before they first wait for something. Then this
	// goroutine need not wait either, nor set a timer.
	runtime.Gosched()
	return a.wait()
}

// work is the goroutine of an attempt.
func (a *attempt) work() {
	defer a.end()
	defer a.r.gate.leave()
	if !a.claim() {
		return
	}
	defer a.finish()
	defer a.conclude()
	if a.refused != nil {
		a.err = a.refused
		return
	}
	a.err = errGoexit // stays if the callback neither returns nor panics
	a.err = a.table.chain(&a.ctx, a.d)
}

// conclude turns what the callbacks did into the outcome. It is deferred, so that
// it also sees a panic.
func (a *attempt) conclude() {
	if v := recover(); v != nil {
		a.err = &panicError{value: v, stack: debug.Stack()}
	}
	out := judged(a.err)
	if a.refused != nil && out.Code != CodeRejected {
		out = refusal(a.refused)
	}
	if out.final() {
		out = a.deadLetter(out)
	}
	a.out = out
	a.beingRenewed = a.phase.Swap(settling) == renewing
	a.ctx.end(context.Canceled)
}

// finish settles the claim; if it is just being renewed, the renewal settles it
// when it returns.
func (a *attempt) finish() {
	if !a.beingRenewed {
		a.settle()
	}
}

// deadLetter offers the delivery to its owner before a final refusal.
func (a *attempt) deadLetter(out Outcome) Outcome {
	for _, keep := range a.table.deadLetter {
		if err := a.protected(keep, out.Err); err != nil {
			again := judged(err)
			if again.Code != CodePanicked {
				again = failed.outcome(fmt.Errorf("sonzaihook: dead letter not kept: %w", err))
			}
			return again
		}
	}
	return out
}

func (a *attempt) protected(keep func(context.Context, *Delivery, error) error, why error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: v, stack: debug.Stack()}
		}
	}()
	return keep(&a.ctx, a.d, why)
}

// claims reports whether the attempt runs under a claim.
func (a *attempt) claims() bool { return a.r.store != nil && a.refused == nil }

// storeContext returns the context of one call to the store, and what ends it. A
// store in memory never looks at it.
func (a *attempt) storeContext() (ctx context.Context, end func()) {
	if a.r.storeIsLocal {
		return context.Background(), func() {}
	}
	c := &runContext{parent: a.ctx.parent, started: time.Now(), limit: storeTimeout, expired: ErrStoreUnavailable}
	return c, func() { c.end(context.Canceled) }
}

// inbound is a delivery and the attempt that most likely follows it, in one piece
// of memory.
type inbound struct {
	delivery Delivery
	attempt  attempt
}

func (a *attempt) end() {
	a.doneMu.Lock()
	defer a.doneMu.Unlock()
	a.over = true
	if a.done != nil {
		close(a.done)
	}
}

// ended returns a channel that is closed when the goroutine has ended, or nil if
// it has ended already.
func (a *attempt) ended() <-chan struct{} {
	a.doneMu.Lock()
	defer a.doneMu.Unlock()
	if a.over {
		return nil
	}
	if a.done == nil {
		a.done = make(chan struct{})
	}
	return a.done
}

// wait returns the outcome when the attempt has ended, or sooner if a step takes
// longer than it may.
func (a *attempt) wait() Outcome {
	done := a.ended()
	if done == nil {
		return a.out
	}
	look := time.NewTimer(a.firstLook())
	defer look.Stop()
	for kept := false; ; {
		select {
		case <-done:
			return a.out
		case <-look.C:
		}
		switch a.phase.Load() {
		case claiming:
			if time.Since(a.ctx.started) >= storeTimeout && a.phase.CompareAndSwap(claiming, abandoned) {
				return storeUnavailable.outcome(unavailable(context.DeadlineExceeded))
			}
		case running, renewing:
			if !kept && a.claims() && (a.late() || time.Since(a.ctx.started) >= a.r.lease/3) {
				kept = true
				if a.r.gate.help() == nil {
					go a.keep(done)
				}
			}
			if a.late() {
				return failed.outcome(ErrHandlerTimeout)
			}
		case settling:
			return a.settled(done)
		}
		look.Reset(a.nextLook(kept))
	}
}

// settled gives the store its second to settle; the outcome is certain already.
func (a *attempt) settled(done <-chan struct{}) Outcome {
	select {
	case <-done:
	case <-time.After(storeTimeout):
	}
	return a.out
}

// late reports whether the callbacks have overstayed.
func (a *attempt) late() bool {
	return a.timeout > 0 && time.Since(a.ctx.started) >= a.timeout+lateGrace
}

// firstLook returns when the first step may be overdue.
func (a *attempt) firstLook() time.Duration {
	look := min(storeTimeout, max(a.r.lease/3, shortestLook))
	if a.timeout > 0 {
		look = min(look, a.timeout+lateGrace)
	}
	return look
}

func (a *attempt) nextLook(kept bool) time.Duration {
	look, since := storeTimeout, time.Since(a.ctx.started)
	if a.timeout > 0 {
		look = min(look, a.timeout+lateGrace-since)
	}
	if !kept {
		look = min(look, a.r.lease/3-since)
	}
	return max(look, shortestLook)
}

// shortestLook keeps a slow claim from being watched all the time.
const shortestLook = 5 * time.Millisecond

// newToken returns a token that no other attempt has, of this process or another.
func (r *Receiver) newToken() string {
	var token [64]byte
	return string(strconv.AppendUint(append(token[:0], r.instance...), r.attempts.Add(1), 36))
}

func unavailable(err error) error { return fmt.Errorf("%w: %w", ErrStoreUnavailable, err) }

// panicError is a recovered panic. The stack is for the log.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("%v: %v", ErrPanicked, e.value) }
func (e *panicError) Unwrap() error { return ErrPanicked }
