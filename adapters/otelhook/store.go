package otelhook

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/sonzaihook/sonzaihook"
)

// Store returns the store with its calls timed and counted by operation (claim,
// renew, commit, release) and result (claimed, in_flight, done, ok, lease_lost,
// full, timeout, error). Keys, tokens and the texts of errors are in no metric.
// What a store says of itself by a Local or an Evicted method the returned one says
// too. Store(nil) is nil, the store that is off.
func (t *Telemetry) Store(store sonzaihook.Store) sonzaihook.Store {
	if store == nil {
		return nil
	}
	s := &timedStore{inner: store, record: t.store, seed: maphash.MakeSeed()}
	if evicting, ok := store.(interface{ Evicted() uint64 }); ok {
		return &evictingStore{s, evicting}
	}
	return s
}

// timedStore is a store that times the calls to another.
type timedStore struct {
	inner  sonzaihook.Store
	record metric.Float64Histogram
	seed   maphash.Seed
	held   [16]holders
}

// evictingStore is one whose inner store counts what it has evicted.
type evictingStore struct {
	*timedStore
	evicting interface{ Evicted() uint64 }
}

var (
	_ sonzaihook.Store = (*timedStore)(nil)
	_ sonzaihook.Store = (*evictingStore)(nil)
)

func (s *evictingStore) Evicted() uint64 { return s.evicting.Evicted() }

// Local reports whether the inner store is in this process's memory.
func (s *timedStore) Local() bool {
	local, ok := s.inner.(interface{ Local() bool })
	return ok && local.Local()
}

// Claim implements sonzaihook.Store.
func (s *timedStore) Claim(ctx context.Context, key, token string, lease time.Duration) (sonzaihook.State, error) {
	began := time.Now()
	state, err := s.inner.Claim(ctx, key, token, lease)
	took := time.Since(began)
	operation, hash := "claim", maphash.String(s.seed, token)
	holders := &s.held[hash%uint64(len(s.held))]
	if holders.has(hash) {
		operation = "renew"
	} else if err == nil && state == sonzaihook.Claimed {
		holders.add(hash)
	}
	result := failure(ctx, err)
	if err == nil {
		switch state {
		case sonzaihook.Claimed:
			result = "claimed"
		case sonzaihook.InFlight:
			result = "in_flight"
		case sonzaihook.Done:
			result = "done"
		}
	}
	s.note(ctx, call{operation, result}, took)
	return state, err
}

// Commit implements sonzaihook.Store.
func (s *timedStore) Commit(ctx context.Context, key, token string, keep time.Duration) error {
	began := time.Now()
	err := s.inner.Commit(ctx, key, token, keep)
	s.settled(ctx, "commit", token, err, time.Since(began))
	return err
}

// Release implements sonzaihook.Store.
func (s *timedStore) Release(ctx context.Context, key, token string) error {
	began := time.Now()
	err := s.inner.Release(ctx, key, token)
	s.settled(ctx, "release", token, err, time.Since(began))
	return err
}

func (s *timedStore) settled(ctx context.Context, operation, token string, err error, took time.Duration) {
	hash := maphash.String(s.seed, token)
	s.held[hash%uint64(len(s.held))].drop(hash)
	s.note(ctx, call{operation, failure(ctx, err)}, took)
}

func (s *timedStore) note(ctx context.Context, c call, took time.Duration) {
	s.record.Record(ctx, took.Seconds(), calls.get(c, func() []metric.RecordOption {
		return []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(
			attribute.String("operation", c.operation), attribute.String("result", c.result),
		))}
	})...)
}

// call is what the attributes of a call are made of.
type call struct{ operation, result string }

// calls keeps the attributes, of which there are two dozen.
var calls cache[call, []metric.RecordOption]

func failure(ctx context.Context, err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, sonzaihook.ErrLeaseLost):
		return "lease_lost"
	case errors.Is(err, sonzaihook.ErrStoreFull):
		return "full"
	case errors.Is(err, context.DeadlineExceeded), ctx.Err() != nil:
		return "timeout"
	}
	return "error"
}

// holders are the tokens that hold a key, by their hashes: a claim of one of them
// is a renewal. What a process forgets to settle is dropped with all others when
// there are too many; then some renewals count as claims.
type holders struct {
	mu     sync.Mutex
	tokens map[uint64]struct{}
}

const mostHolders = 4096

func (h *holders) has(token uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.tokens[token]
	return ok
}

func (h *holders) add(token uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tokens == nil || len(h.tokens) >= mostHolders {
		h.tokens = map[uint64]struct{}{}
	}
	h.tokens[token] = struct{}{}
}

func (h *holders) drop(token uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.tokens, token)
}
