// Package redisscript is what the stores on Redis share, whatever client they
// use: the scripts, the keys, and what the answers mean.
package redisscript

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// Run sends a script with its one key and its arguments, and returns the integer
// that the script answers. For [SetOrGet] it sends that command and returns
// what [Found] makes of the answer. It must be safe for concurrent use.
//
// It sends the text of the script, not its digest: the text is short, and so a
// server that has just started, or was just promoted, costs no second round trip.
type Run func(ctx context.Context, script, key string, args ...string) (int64, error)

// Store implements sonzaihook.Store with one command or script a call. It is safe
// for concurrent use.
type Store struct {
	name string
	keys keyspace
	keep time.Duration // 0: what the receiver asks for
	run  Run
	sets atomic.Bool // run and the server know SetOrGet
}

var _ sonzaihook.Store = (*Store)(nil)

// NewStore returns a store whose errors begin with the name of its adapter. A keep
// of 0 is what the receiver asks for. sets says that run knows [SetOrGet].
func NewStore(name, prefix string, keep time.Duration, sets bool, run Run) *Store {
	s := &Store{name: name, keys: newKeyspace(prefix), keep: keep, run: run}
	s.sets.Store(sets)
	return s
}

// Claim implements sonzaihook.Store in one round trip. A claim that its holder renews
// takes two, and so does the first call to a server that is older than Redis 7.
func (s *Store) Claim(ctx context.Context, key, token string, lease time.Duration) (sonzaihook.State, error) {
	answer, err := s.claim(ctx, s.keys.key(key), heldBy+token, milliseconds(lease))
	if err != nil {
		return 0, fmt.Errorf("%s: claim: %w", s.name, err)
	}
	switch answer {
	case granted:
		return sonzaihook.Claimed, nil
	case held:
		return sonzaihook.InFlight, nil
	case done:
		return sonzaihook.Done, nil
	}
	return 0, fmt.Errorf("%s: claim: unexpected answer %d", s.name, answer)
}

// claim asks with SetOrGet, which costs a server a third of what a script does, and
// with the script where that does not decide.
func (s *Store) claim(ctx context.Context, key, holder, lease string) (int64, error) {
	if s.sets.Load() {
		answer, err := s.run(ctx, SetOrGet, key, holder, lease)
		if err == nil && answer != own {
			return answer, nil
		}
		if err != nil && !isSyntaxError(err) {
			return 0, err
		}
		if err != nil { // before Redis 7, NX and GET exclude each other
			s.sets.Store(false)
		}
	}
	return s.run(ctx, claimScript, key, holder, lease)
}

// Found is what a client returns for [SetOrGet]: the value that the key had, if it was
// there. holder is the value that the command was to set.
func Found(value string, there bool, holder string) int64 {
	switch {
	case !there:
		return granted
	case value == "done":
		return done
	case value == holder:
		return own
	}
	return held
}

// isSyntaxError recognises the answer of a server to a command that it does not know
// in this form.
func isSyntaxError(err error) bool {
	return strings.Contains(err.Error(), "ERR syntax error")
}

// Commit implements sonzaihook.Store in one round trip.
func (s *Store) Commit(ctx context.Context, key, token string, keep time.Duration) error {
	if s.keep > 0 {
		keep = s.keep
	}
	answer, err := s.run(ctx, commitScript, s.keys.key(key), heldBy+token, milliseconds(keep))
	return s.settled("commit", answer, err)
}

// Release implements sonzaihook.Store in one round trip.
func (s *Store) Release(ctx context.Context, key, token string) error {
	answer, err := s.run(ctx, releaseScript, s.keys.key(key), heldBy+token)
	return s.settled("release", answer, err)
}

func (s *Store) settled(what string, answer int64, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("%s: %s: %w", s.name, what, err)
	case answer != granted:
		return fmt.Errorf("%s: %s: %w", s.name, what, sonzaihook.ErrLeaseLost)
	}
	return nil
}

// milliseconds rounds up, because Redis refuses a time to live of zero.
func milliseconds(d time.Duration) string {
	return strconv.FormatInt(max(int64((d-1)/time.Millisecond)+1, 1), 10)
}
