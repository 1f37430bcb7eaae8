package sonzaihook

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// handOffTimeout bounds one call of the function of WithHandOff.
const handOffTimeout = 5 * time.Second

// handsOff reports whether a delivery goes to the queue. What comes from a queue,
// or from a worker that does not say where from, is run: handing it off again
// would never end.
func (r *Receiver) handsOff(d *Delivery) bool {
	return r.handOff != nil && d.Source != SourceBroker && d.Source != ""
}

// enqueue hands a delivery to the queue, detached from the client's connection.
func (r *Receiver) enqueue(ctx context.Context, d *Delivery, table *routeTable) Outcome {
	if err := r.gate.enterUncounted(); err != nil {
		return refusal(err)
	}
	done := make(chan error, 1)
	inner, cancel := context.WithTimeout(context.WithoutCancel(ctx), handOffTimeout)
	go func() {
		defer r.gate.helped()
		defer cancel()
		err := errGoexit
		defer func() {
			if v := recover(); v != nil {
				err = &panicError{value: v, stack: debug.Stack()}
			}
			done <- err
		}()
		err = r.handOff(inner, d)
	}()
	var err error
	select {
	case err = <-done:
	case <-time.After(handOffTimeout + lateGrace):
		err = context.DeadlineExceeded
	}
	if err == nil {
		return queued.outcome(nil)
	}
	var v *verdict
	if errors.As(err, &v) && v.answer == rejected {
		return r.attempt(ctx, d, table, err)
	}
	return queueUnavailable.outcome(fmt.Errorf("%w: %w", ErrQueueUnavailable, err))
}

// DeadLetter offers a delivery to the functions of [Receiver.OnDeadLetter], in
// the order of their registration. A queue's worker calls it when it gives up, with
// the reason. It returns nil if all of them kept the delivery, [ErrNoDeadLetter] if
// there is none, or the first error; a panic is an error that wraps [ErrPanicked].
// The context should have a deadline: DeadLetter sets none.
func (r *Receiver) DeadLetter(ctx context.Context, d *Delivery, why error) error {
	keep := r.routes.table.Load().deadLetter
	if len(keep) == 0 {
		return ErrNoDeadLetter
	}
	for _, fn := range keep {
		if err := keepOne(ctx, fn, d, why); err != nil {
			return err
		}
	}
	return nil
}

func keepOne(ctx context.Context, keep func(context.Context, *Delivery, error) error, d *Delivery, why error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: v, stack: debug.Stack()}
		}
	}()
	return keep(ctx, d, why)
}

// Claim is what a run holds in the [Store] while its callbacks run.
type Claim struct {
	Key, Token string
	// Keep is for how long the key must be known as done.
	Keep time.Duration
}

type (
	claimKey struct{}
	noClaim  struct{}
)

// ClaimFrom returns the claim under which a run holds its delivery, from the
// context of middleware or of the last callback of the type. It is how the store's
// "done" can be written in a transaction of the caller's, together with what the
// callbacks wrote. There is none in the callbacks before the last, so that nothing
// commits before the rest has run, and where the receiver has no store.
func ClaimFrom(ctx context.Context) (Claim, bool) {
	a, ok := ctx.Value(claimKey{}).(*attempt)
	if !ok || !a.claims() {
		return Claim{}, false
	}
	return Claim{Key: a.d.ID, Token: a.token, Keep: keepDone}, true
}

// Settles reports whether the receiver would mark a delivery as done whose
// callbacks returned err: nil, [Ignore] and [Queued].
func Settles(err error) bool {
	out := judged(err)
	return out.settled()
}

type runTimeoutKey struct{}

// ContextWithTimeout returns a context under which [Receiver.Dispatch] lets the
// callbacks run for d instead of the time of [WithHandlerTimeout]; zero sets no
// limit. It is for a queue's workers, whose callbacks may take longer than the
// platform waits for an answer.
func ContextWithTimeout(ctx context.Context, d time.Duration) context.Context {
	return context.WithValue(ctx, runTimeoutKey{}, max(d, 0))
}
