package sonzaihook

import (
	"context"
	"time"
)

// Store remembers which deliveries are running and which are done, so that a
// delivery runs once although the platform sends it several times, and to
// several instances. Each identity is in one of three states:
//
//   - unknown: nobody has it, or its lease or its keep ran out;
//   - in flight: one holder, known by its token, has it until its lease ends;
//   - done: it was handled, and stays known for as long as Commit asked.
//
// Every method is atomic for its key and safe for concurrent use by several
// goroutines and, where instances share the store, by several processes. A
// method should return when its context ends; a receiver waits a second for it.
// Errors are the store's own, except [ErrLeaseLost] and [ErrStoreFull].
//
// The package hooktest has the suite that every Store must pass.
type Store interface {
	// Claim makes token the holder of an unknown key for the length of lease and
	// returns Claimed. The holder that claims again renews its lease, and is
	// returned Claimed too. It returns InFlight if another token holds the key,
	// and Done if the key is done.
	Claim(ctx context.Context, key, token string, lease time.Duration) (State, error)

	// Commit makes a key done for the length of keep. It returns ErrLeaseLost,
	// and changes nothing, if another token holds the key. A holder whose lease
	// ran out without anybody taking over still commits: its work is done.
	Commit(ctx context.Context, key, token string, keep time.Duration) error

	// Release makes a key unknown again. It does nothing if the key is unknown
	// already, and returns ErrLeaseLost, changing nothing, if another token holds
	// the key or the key is done.
	Release(ctx context.Context, key, token string) error
}

// State is what a [Store] says of a key that somebody wants to claim.
type State int

// The answers of [Store.Claim]. The zero State is none of them.
const (
	Claimed  State = iota + 1 // the caller holds the key
	InFlight                  // somebody else holds it
	Done                      // it was handled before
)

// String returns the name of the state.
func (s State) String() string {
	switch s {
	case Claimed:
		return "claimed"
	case InFlight:
		return "in flight"
	case Done:
		return "done"
	}
	return "unknown"
}

const (
	// keepDone is for how long a handled delivery is recognised. The platform's
	// retries are not documented; three days is longer than any it was seen to make.
	keepDone = 72 * time.Hour
	// storeTimeout bounds each call to a store.
	storeTimeout = time.Second
	// maxIdentity bounds a key in a store; a longer identity is replaced by its
	// digest.
	maxIdentity = 200
)

// claim takes the delivery for this attempt, unless it has done so before. If it
// cannot, the outcome is set and nothing may run.
func (a *attempt) claim() bool {
	if a.phase.Load() == running {
		return true
	}
	if !a.claims() {
		return a.phase.CompareAndSwap(claiming, running)
	}
	ctx, end := a.storeContext()
	state, err := a.r.store.Claim(ctx, a.d.ID, a.token, a.r.lease)
	end()
	next := stopped
	switch {
	case err != nil:
		a.out = storeUnavailable.outcome(unavailable(err))
	case state == Claimed:
		next = running
	case state == Done:
		a.out = duplicate.outcome(nil)
	default:
		a.out = inFlight.outcome(ErrInFlight)
	}
	if !a.phase.CompareAndSwap(claiming, next) {
		a.abandon(state)
		return false
	}
	return next == running
}

// abandon gives back a claim that came after the platform was told to try again.
func (a *attempt) abandon(state State) {
	if state != Claimed {
		return
	}
	ctx, end := a.storeContext()
	defer end()
	if err := a.r.store.Release(ctx, a.d.ID, a.token); err != nil {
		a.r.warn(a.ctx.parent, "sonzaihook: late claim not released", a.d, err)
	}
}

// settle tells the store how the run ended. What it cannot tell it logs: the
// answer is about the callbacks, and the lease ends by itself.
func (a *attempt) settle() {
	if !a.claims() {
		return
	}
	ctx, end := a.storeContext()
	defer end()
	if a.out.settled() {
		if err := a.r.store.Commit(ctx, a.d.ID, a.token, keepDone); err != nil {
			a.r.warn(a.ctx.parent, "sonzaihook: handled delivery not committed, a copy would run again", a.d, err)
		}
		return
	}
	if err := a.r.store.Release(ctx, a.d.ID, a.token); err != nil {
		a.r.warn(a.ctx.parent, "sonzaihook: claim not released, a retry waits for the lease to end", a.d, err)
	}
}

// keep renews the claim of a callback that takes long, every third of the lease,
// until the attempt ends. If it cannot be renewed in time, or somebody else has
// the claim, the callback's context ends with ErrLeaseLost as its cause.
func (a *attempt) keep(done <-chan struct{}) {
	defer a.r.gate.helped()
	lapse := time.AfterFunc(a.notice(a.ctx.started), func() { a.lose(ErrLeaseLost) })
	defer lapse.Stop()
	tick := time.NewTicker(max(a.r.lease/3, time.Millisecond))
	defer tick.Stop()
	for {
		asked := time.Now()
		state, err := a.renew()
		switch {
		case state == Claimed && err == nil:
			lapse.Reset(a.notice(asked))
		case err == nil:
			a.lose(ErrLeaseLost)
			return
		}
		select {
		case <-done:
			return
		case <-tick.C:
		}
	}
}

// notice returns how long a callback may rely on a claim that was asked for at the
// given time. The store began to count after that, and the last sixth of the lease
// is for the callback to stop before a copy can run beside it.
func (a *attempt) notice(asked time.Time) time.Duration {
	return time.Until(asked.Add(a.r.lease - a.r.lease/6))
}

// renew claims again, but never after the run has ended: that would take a key
// that was just released. A run that ends meanwhile is settled here.
func (a *attempt) renew() (State, error) {
	if !a.phase.CompareAndSwap(running, renewing) {
		return Claimed, nil
	}
	ctx, end := a.storeContext()
	defer end()
	state, err := a.r.store.Claim(ctx, a.d.ID, a.token, a.r.lease)
	if !a.phase.CompareAndSwap(renewing, running) {
		a.settle()
	}
	return state, err
}

func (a *attempt) lose(cause error) {
	if phase := a.phase.Load(); phase == running || phase == renewing {
		a.r.warn(&a.ctx, "sonzaihook: claim lost while a callback runs", a.d, cause)
		a.ctx.end(cause)
	}
}
