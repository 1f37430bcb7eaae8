package sonzaihook_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// call is one call to a store, as the receiver made it.
type call struct {
	what string // claim, commit, release
	at   time.Duration
}

// faultyStore is a memory store whose calls can be made to fail or hang. A fault
// is asked before each call, with the number of the call of its kind, from 1; it
// may sleep, and its error is returned in place of the call.
type faultyStore struct {
	sonzaihook.Store
	fault func(ctx context.Context, what string, n int) error
	start time.Time

	mu    sync.Mutex
	calls []call
}

func newFaultyStore(fault func(ctx context.Context, what string, n int) error) *faultyStore {
	return &faultyStore{Store: sonzaihook.NewMemoryStore(100), fault: fault, start: time.Now()}
}

func (s *faultyStore) before(ctx context.Context, what string) error {
	s.mu.Lock()
	s.calls = append(s.calls, call{what, time.Since(s.start)})
	n := 0
	for _, c := range s.calls {
		if c.what == what {
			n++
		}
	}
	s.mu.Unlock()
	if s.fault == nil {
		return nil
	}
	return s.fault(ctx, what, n)
}

func (s *faultyStore) Claim(ctx context.Context, key, token string, lease time.Duration) (sonzaihook.State, error) {
	if err := s.before(ctx, "claim"); err != nil {
		return 0, err
	}
	return s.Store.Claim(ctx, key, token, lease)
}

func (s *faultyStore) Commit(ctx context.Context, key, token string, keep time.Duration) error {
	if err := s.before(ctx, "commit"); err != nil {
		return err
	}
	return s.Store.Commit(ctx, key, token, keep)
}

func (s *faultyStore) Release(ctx context.Context, key, token string) error {
	if err := s.before(ctx, "release"); err != nil {
		return err
	}
	return s.Store.Release(ctx, key, token)
}

// times returns when calls of a kind were made.
func (s *faultyStore) times(what string) []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var at []time.Duration
	for _, c := range s.calls {
		if c.what == what {
			at = append(at, c.at)
		}
	}
	return at
}

var errStoreDown = errors.New("store down")

// onCall returns a fault for some calls of one kind; last 0 means all from first.
func onCall(kind string, first, last int, fault func(ctx context.Context) error) func(context.Context, string, int) error {
	return func(ctx context.Context, what string, n int) error {
		if what != kind || n < first || (last > 0 && n > last) {
			return nil
		}
		return fault(ctx)
	}
}

func down(context.Context) error { return errStoreDown }

// hang hangs until the context of the call ends.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// deaf returns a fault that hangs for d whatever becomes of its context.
func deaf(d time.Duration) func(context.Context) error {
	return func(context.Context) error {
		time.Sleep(d)
		return nil
	}
}

// refusingStore says at the second claim that another holds the key.
type refusingStore struct {
	sonzaihook.Store
	claims int
}

func (s *refusingStore) Claim(ctx context.Context, key, token string, lease time.Duration) (sonzaihook.State, error) {
	if s.claims++; s.claims > 1 {
		return sonzaihook.InFlight, nil
	}
	return s.Store.Claim(ctx, key, token, lease)
}

// slowAnswerStore renews a claim at once and says so late; later renewals fail.
type slowAnswerStore struct {
	sonzaihook.Store
	claims  int
	start   time.Time
	renewed time.Duration
}

func (s *slowAnswerStore) Claim(ctx context.Context, key, token string, lease time.Duration) (sonzaihook.State, error) {
	s.claims++
	if s.claims > 2 {
		return 0, errStoreDown
	}
	state, err := s.Store.Claim(ctx, key, token, lease)
	if s.claims == 2 {
		s.renewed = time.Since(s.start)
		time.Sleep(900 * time.Millisecond)
	}
	return state, err
}
