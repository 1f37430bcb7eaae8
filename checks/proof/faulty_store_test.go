package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// memberStore is the shared store as one member reaches it.
type memberStore struct {
	*faultyStore
	m *member
}

func (s *memberStore) Claim(ctx context.Context, key, token string, lease time.Duration) (sonzaihook.State, error) {
	return s.call(ctx, s.m, ClaimCall, key, func() (sonzaihook.State, error) { return s.inner.Claim(ctx, key, token, lease) })
}

func (s *memberStore) Commit(ctx context.Context, key, token string, keep time.Duration) error {
	_, err := s.call(ctx, s.m, CommitCall, key, func() (sonzaihook.State, error) { return 0, s.inner.Commit(ctx, key, token, keep) })
	return err
}

func (s *memberStore) Release(ctx context.Context, key, token string) error {
	_, err := s.call(ctx, s.m, ReleaseCall, key, func() (sonzaihook.State, error) { return 0, s.inner.Release(ctx, key, token) })
	return err
}

// faultyStore is the store behind a network, with faults.
type faultyStore struct {
	inner  sonzaihook.Store
	w      *world
	faulty bool
	stalls bool // it may also be late, and answer nobody for a while

	mu      sync.Mutex
	rng     *rand.Rand
	stalled time.Time // it answers nobody until then
}

// fate is what happens to a call.
type fate int

const (
	works fate = iota
	refused
	answerLost
	panicking
	late // it is carried out at once, and answers much later, whoever has given up
)

func (s *faultyStore) draw(call string) (delay time.Duration, f fate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delay = time.Duration(s.rng.Int64N(int64(3 * time.Millisecond)))
	if !s.faulty {
		return delay, works
	}
	delay = max(delay, time.Until(s.stalled))
	share := s.rng.Float64()
	if call == CommitCall {
		share /= 4 // they are fewer than claims, and what fails of them is tried again
	}
	switch {
	case share < 0.01:
		f = refused
	case share < 0.02:
		f = answerLost
	case share < 0.03:
		f = panicking
	case share < 0.04 && s.stalls:
		f, delay = late, s.w.lease/2+time.Duration(s.rng.Int64N(int64(s.w.lease)))
	}
	return delay, f
}

// call carries a call out, sooner or later: one that hangs takes effect although
// nobody waits for it any more, as it does when a stalled server goes on.
func (s *faultyStore) call(
	ctx context.Context, m *member, name, key string, do func() (sonzaihook.State, error),
) (sonzaihook.State, error) {
	type result struct {
		state sonzaihook.State
		err   error
	}
	if err := m.act(func() {}); err != nil {
		return 0, err
	}
	delay, f := s.draw(name)
	switch f {
	case refused:
		return 0, errRefused
	case panicking:
		_ = m.write(Entry{Kind: Trouble, Key: key, Instance: m.id, At: time.Now().UnixNano(), Call: name, Left: s.w.lease}, false)
		panic("proof: the store panicked")
	case late:
		// The claim is held from now on, by a caller that does not know of it.
		_ = m.write(Entry{Kind: Trouble, Key: key, Instance: m.id, At: time.Now().UnixNano(), Call: name, Left: s.w.lease}, false)
		state, err := do()
		time.Sleep(delay)
		return state, errors.Join(err, m.act(func() {}))
	}
	done := make(chan result, 1)
	go func() { // a receiver that was abandoned may still call when the world is closed
		time.Sleep(delay)
		state, err := do()
		done <- result{state, err}
	}()
	select {
	case r := <-done:
		if f == answerLost {
			return 0, errors.New("proof: connection reset")
		}
		return r.state, errors.Join(r.err, m.act(func() {}))
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}
