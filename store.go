package sonzaihook

import (
	"context"
	"time"

	"github.com/sonzaihook/sonzaihook/internal/once"
)

// Store remembers which deliveries are running and which are done, so that a
// delivery runs once although the platform sends it several times, and to
// several instances. Each identity is in one of three states:
//
//   - unknown: never claimed, or its lease or retention has expired;
//   - in flight: one holder, known by its token, has it until its lease ends;
//   - done: it was handled, and stays known for as long as Commit asked.
//
// Every method is atomic for its key and safe for concurrent use by several
// goroutines and, where instances share the store, by several processes. A
// method should return when its context ends; a receiver waits a second for it,
// and recovers a panic. Errors are the store's own, except [ErrLeaseLost] and
// [ErrStoreFull].
//
// A store whose calls take no time, because it is in this process's memory, may
// say so with a method Local() bool: a receiver then calls it on the goroutine of
// the request. A store that wraps another forwards the method.
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
	// has expired still commits if the key was not claimed since: its work is done.
	//
	// If the key was claimed since and is done already, a store may answer a former
	// holder in either of two ways: nil, as the key is done, whoever handled it; or
	// ErrLeaseLost, because the work of this holder is not the one that counts. A
	// store that commits in the transaction of the work must return ErrLeaseLost,
	// so that the transaction is rolled back.
	Commit(ctx context.Context, key, token string, keep time.Duration) error

	// Release makes a key unknown again. It does nothing if the key is unknown
	// already, and returns ErrLeaseLost, changing nothing, if another token holds
	// the key or the key is done.
	Release(ctx context.Context, key, token string) error
}

// State is what a [Store] says of a key that is to be claimed.
type State int

// The answers of [Store.Claim]. The zero State is none of them.
const (
	Claimed  State = State(once.Claimed)  // the caller holds the key
	InFlight State = State(once.InFlight) // another holds it
	Done     State = State(once.Done)     // it was handled before
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

// NewMemoryStore returns a Store in the memory of this process, for one
// instance. It holds up to capacity keys, running and finished; a capacity
// below 1 counts as 1. When it is full a key that was finished long ago makes
// room, which is logged as a warning, at most once a minute, and counted:
//
//	store.(interface{ Evicted() uint64 }).Evicted()
//
// A key that is still running is never evicted: a store that is full of them
// answers [ErrStoreFull], and the platform sends the delivery again. A key takes
// some 120 bytes, whatever its length. Time is the monotonic clock, so a clock that
// jumps changes nothing. The store is safe for concurrent use and starts no
// goroutine.
func NewMemoryStore(capacity int) Store {
	m := &memoryStore{Memory: once.NewMemory(capacity)}
	logEvictions(m, defaultReporter())
	return m
}

// memoryStore is once.Memory as a Store.
type memoryStore struct{ *once.Memory }

// Local says that the store is in this process's memory.
func (m *memoryStore) Local() bool { return true }

// Claim implements [Store].
func (m *memoryStore) Claim(ctx context.Context, key, token string, lease time.Duration) (State, error) {
	state, err := m.Memory.Claim(ctx, key, token, lease)
	return State(state), err
}

// logEvictions makes a memory store log, through rep, that it is full.
func logEvictions(store Store, rep *reporter) {
	if m, ok := store.(*memoryStore); ok {
		m.WhenFull(rep.storeFull)
	}
}

// engineStore is a Store as the engine knows it.
type engineStore struct{ Store }

// Claim implements once.Store.
func (s engineStore) Claim(ctx context.Context, key, token string, lease time.Duration) (once.State, error) {
	state, err := s.Store.Claim(ctx, key, token, lease)
	return once.State(state), err
}

// isLocal reports whether a store says that it is in this process's memory.
func isLocal(store Store) bool {
	local, ok := store.(interface{ Local() bool })
	return ok && local.Local()
}

// Claim is what a run holds in the [Store] while its callbacks run.
type Claim struct {
	Key, Token string
	// Keep is for how long the key is to be known as done.
	Keep time.Duration
}

// lastCallback is set, to false, in the context of every callback but the last.
type lastCallback struct{}

// ClaimFrom returns the claim under which a run holds its delivery, from the
// context of middleware or of the last callback of the type. With it the store's
// mark can be written in the transaction in which the callbacks have written.
// There is none in the callbacks before the last, so that nothing is committed
// before the rest has run, and none where the receiver has no store.
func ClaimFrom(ctx context.Context) (Claim, bool) {
	a := once.Running(ctx)
	if a == nil || ctx.Value(lastCallback{}) != nil {
		return Claim{}, false
	}
	key, token, ok := a.Claim()
	if !ok {
		return Claim{}, false
	}
	return Claim{Key: key, Token: token, Keep: retention}, true
}

// Settles reports whether a receiver would mark a delivery as done whose callbacks
// returned err: nil, [Ignore] and [Queued].
func Settles(err error) bool {
	return callbackEnding(err).row.Settled()
}

// retention is for how long a handled delivery is recognised. The platform's
// retries are not documented; three days is longer than any it was seen to make.
const retention = 72 * time.Hour
