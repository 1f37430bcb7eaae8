package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// watchedStore is a store that passes the points before and after its calls,
// records those that fail, and has the flaws of a store.
type watchedStore struct {
	sonzaihook.Store
	in *instance

	mu    sync.Mutex
	asked map[string]time.Time // by token, when it was last granted its claim, or renewed
	tried map[string]bool      // tokens that have committed once
}

func (s *watchedStore) Claim(ctx context.Context, key, token string, _ time.Duration) (sonzaihook.State, error) {
	began := time.Now()
	state, err := s.Store.Claim(ctx, key, token, s.in.lease)
	s.mu.Lock()
	_, renewed := s.asked[token]
	if err == nil && state == sonzaihook.Claimed {
		s.asked[token] = began
	}
	s.mu.Unlock()
	if err = s.noted(ClaimCall, key, token, began, err); err != nil || state != sonzaihook.Claimed || renewed {
		return state, err
	}
	s.in.pass(AfterClaim)
	switch {
	case s.in.flaw == CommitsFirst:
		return state, s.Store.Commit(ctx, key, token, time.Hour)
	case s.in.flaw == RunsLateClaims && s.in.coin():
		time.Sleep(s.in.lease + s.in.lease/50)
	}
	return state, nil
}

func (s *watchedStore) Commit(ctx context.Context, key, token string, keep time.Duration) error {
	began := time.Now()
	if s.in.flaw == CommitsOnce {
		s.mu.Lock()
		tried := s.tried[token]
		s.tried[token] = true
		s.mu.Unlock()
		if tried {
			return nil // and nothing is done
		}
		return s.noted(CommitCall, key, token, began, errRefused)
	}
	err := s.Store.Commit(ctx, key, token, keep)
	if err == nil {
		s.in.pass(AfterCommit)
	}
	return s.noted(CommitCall, key, token, began, err)
}

func (s *watchedStore) Release(ctx context.Context, key, token string) error {
	if s.in.flaw == KeepsFailures {
		return nil
	}
	began := time.Now()
	return s.noted(ReleaseCall, key, token, began, s.Store.Release(ctx, key, token))
}

var errRefused = errors.New("proof: connection refused")

// noted records that a call failed or took long, and returns the error.
func (s *watchedStore) noted(call, key, token string, began time.Time, err error) error {
	if err == nil && time.Since(began) < s.in.lease/3 {
		return nil
	}
	s.mu.Lock()
	left := s.in.lease - time.Since(s.asked[token])
	s.mu.Unlock()
	e := Entry{Kind: Trouble, Key: key, Instance: s.in.id, At: time.Now().UnixNano(), Call: call, Left: left}
	return errors.Join(err, s.in.journal.write(e, false))
}
