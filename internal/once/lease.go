package once

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Who owns the claim: the caller of Do until it is granted; then the goroutine of
// the run; after a third of the lease, or when the work is late, the keeper.
//
// The owner alone calls the store for the claim, settles it and leaves the gate. It
// passes ownership on under the mutex of the attempt, so that a renewal can never
// follow a settlement: one goroutine does both.

// claim asks the store for the claim. If it returns an error, nothing may run, and
// the attempt has left the gate, or will when the call that owns the claim returns.
func (a *Attempt) claim(parent context.Context) error {
	var state State
	var err error
	if a.r.Claims.Local {
		state, err = a.r.Claims.claim(parent, a.key, a.token)
	} else {
		c := &claimCall{done: make(chan struct{})}
		go c.run(parent, a)
		if !c.wait() {
			return &UnavailableError{context.DeadlineExceeded}
		}
		state, err = c.state, c.err
	}
	if err == nil && state == Claimed && time.Since(a.asked) >= a.safe() {
		err = errors.New("the claim was granted when its lease was over")
		a.giveBack(parent)
	}
	if err == nil && state == Claimed {
		return nil
	}
	a.r.gate.leave()
	switch {
	case err != nil:
		return &UnavailableError{err}
	case state == Done:
		return ErrDone
	}
	return ErrInFlight
}

// claimCall is a claim in a goroutine, because a store may ignore its context.
type claimCall struct {
	done  chan struct{}
	state State // set before done is closed, like err
	err   error

	mu        sync.Mutex
	answered  bool
	abandoned bool // no caller waits any more, so the call owns the claim
}

func (c *claimCall) run(parent context.Context, a *Attempt) {
	c.state, c.err = a.r.Claims.claim(parent, a.key, a.token)
	c.mu.Lock()
	c.answered = true
	abandoned := c.abandoned
	c.mu.Unlock()
	close(c.done)
	if !abandoned {
		return
	}
	if c.state == Claimed && c.err == nil {
		a.giveBack(parent)
	}
	a.r.gate.leave()
}

// wait reports whether the store has answered within a second.
func (c *claimCall) wait() bool {
	timer := time.NewTimer(StoreTimeout)
	defer timer.Stop()
	select {
	case <-c.done:
		return true
	case <-timer.C:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.abandoned = !c.answered
	return c.answered
}

// giveBack releases a claim under which nothing ran.
func (a *Attempt) giveBack(parent context.Context) {
	if err := a.r.Claims.release(parent, a.key, a.token); err != nil {
		a.r.Warn(parent, "late claim not released", a.work, err)
	}
}

// startKeeper makes the keeper the owner of the claim, unless the run has ended.
func (a *Attempt) startKeeper() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.ended {
		a.kept = true
		go a.keep()
	}
}

// keep is the goroutine of the keeper. It renews the claim at once and every third
// of the lease, and settles it when the run has ended. If the claim cannot be
// renewed in time, or another holds it, the context of the run ends with
// ErrLeaseLost: a timer sees to that, because a renewal may block.
func (a *Attempt) keep() {
	lapse := time.AfterFunc(a.safe()-time.Since(a.asked), a.lose)
	defer lapse.Stop()
	tick := time.NewTicker(max(a.r.Claims.Lease/3, time.Millisecond))
	defer tick.Stop()
	over := a.over.channel()
	for {
		select {
		case <-over:
			a.settle()
			return
		default:
		}
		asked := time.Now()
		state, err := a.r.Claims.claim(a.ctx.parent, a.key, a.token)
		switch {
		case err == nil && state == Claimed:
			a.asked = asked
			lapse.Reset(a.safe() - time.Since(asked))
		case err == nil:
			lapse.Stop()
			a.lose()
			<-over
			a.settle()
			return
		}
		select {
		case <-over:
		case <-tick.C:
		}
	}
}

// safe returns for how long after it was asked for a run may rely on a claim: in the
// last sixth of the lease the work must stop, before a copy can run at the same time.
func (a *Attempt) safe() time.Duration { return a.r.Claims.Lease - a.r.Claims.Lease/6 }

// lose cancels the run's context, because the claim may have another holder.
func (a *Attempt) lose() {
	a.mu.Lock()
	ended := a.ended
	a.mu.Unlock()
	if !ended {
		a.r.Warn(a.ctx.parent, "claim lost while a callback runs", a.work, ErrLeaseLost)
		a.ctx.End(ErrLeaseLost)
	}
}

// settle tells the store how the run ended, and leaves the gate. A commit that fails
// is tried again for as long as the lease holds, after the answer: the work is done,
// and a copy would run again.
func (a *Attempt) settle() {
	if !a.handled {
		if err := a.r.Claims.release(a.ctx.parent, a.key, a.token); err != nil {
			a.r.Warn(a.ctx.parent, "claim not released, a retry waits for the lease to end", a.work, err)
		}
		a.r.gate.leave()
		a.rest.open()
		return
	}
	err := a.r.Claims.commit(a.ctx.parent, a.key, a.token)
	if err == nil {
		a.r.gate.leave()
		a.rest.open()
		return
	}
	a.r.Warn(a.ctx.parent, "handled delivery not committed, a copy would run again", a.work, err)
	a.r.gate.linger()
	defer a.r.gate.leaveUncounted()
	a.rest.open()
	a.commitLater(err)
}

// commitLater tries to commit until it succeeds, the lease is over, or another
// holds the key.
func (a *Attempt) commitLater(err error) {
	for wait := 50 * time.Millisecond; !isLost(err); wait = min(2*wait, 2*time.Second) {
		if time.Since(a.asked)+wait >= a.r.Claims.Lease {
			return
		}
		time.Sleep(wait)
		if err = a.r.Claims.commit(a.ctx.parent, a.key, a.token); err == nil {
			return
		}
	}
}
