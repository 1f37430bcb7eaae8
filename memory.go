package sonzaihook

import (
	"context"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// memoryStore is split into shards, so that deliveries do not wait for one
// another. A shard keeps its finished keys in the order in which they were
// finished, which is nearly the order in which they expire: each claim throws
// out a few that have expired, and there is never a sweep.
type memoryStore struct {
	seed     maphash.Seed
	start    time.Time // times are counted from here, on the monotonic clock
	shards   []shard
	capacity int64
	size     atomic.Int64
	evicted  atomic.Uint64
	logger   atomic.Pointer[slog.Logger]
	warned   atomic.Int64 // when the last warning was logged, a time.Duration
}

type shard struct {
	mu      sync.Mutex
	entries map[string]*entry
	oldest  *entry // finished keys, linked by next
	newest  *entry
}

// entry is one key. A finished key has no token.
type entry struct {
	key   string
	token string
	until time.Duration
	next  *entry
}

const (
	// shardedFrom is the capacity below which one shard is enough.
	shardedFrom = 4096
	shardCount  = 64
	// firstKeys is for how many keys a shard has room before its map first grows.
	firstKeys = 24
	// expirePerClaim is more than one, so that the expired lose ground.
	expirePerClaim = 4
)

// NewMemoryStore returns a Store in the memory of this process, for one
// instance. It holds up to capacity keys, running and finished; a capacity
// below 1 counts as 1. When it is full a key that was finished long ago makes
// room, which is logged as a warning, at most once a minute, and counted:
//
//	store.(interface{ Evicted() uint64 }).Evicted()
//
// A key that is still running is never evicted: a store that is full of them
// answers [ErrStoreFull], and the platform sends the delivery again. A key takes
// some 200 bytes. Time is the monotonic clock, so a clock that jumps changes
// nothing. The store is safe for concurrent use and starts no goroutine.
func NewMemoryStore(capacity int) Store {
	m := &memoryStore{
		seed:     maphash.MakeSeed(),
		start:    time.Now(),
		capacity: int64(max(capacity, 1)),
		shards:   make([]shard, 1),
	}
	if capacity >= shardedFrom {
		m.shards = make([]shard, shardCount)
	}
	for i := range m.shards {
		m.shards[i].entries = make(map[string]*entry, min(m.capacity, firstKeys))
	}
	m.logTo(slog.Default())
	return m
}

// Evicted returns how many finished keys had to make room before their time.
func (m *memoryStore) Evicted() uint64 { return m.evicted.Load() }

func (m *memoryStore) logTo(logger *slog.Logger) { m.logger.Store(logger) }

// Claim implements [Store].
func (m *memoryStore) Claim(_ context.Context, key, token string, lease time.Duration) (State, error) {
	s := m.lock(key)
	defer s.mu.Unlock()
	now := time.Since(m.start)
	m.expire(s, now)
	e := s.entries[key]
	switch {
	case e == nil:
		return m.insert(s, now, &entry{key: key, token: token, until: now + lease})
	case e.token == "" && now < e.until:
		return Done, nil
	case e.token == "":
		// It stays in the list of the finished, which forgets it in its turn.
		s.entries[key] = &entry{key: key, token: token, until: now + lease}
	case e.token != token && now < e.until:
		return InFlight, nil
	default:
		e.token, e.until = token, now+lease
	}
	return Claimed, nil
}

// Commit implements [Store].
func (m *memoryStore) Commit(_ context.Context, key, token string, keep time.Duration) error {
	s := m.lock(key)
	defer s.mu.Unlock()
	now := time.Since(m.start)
	e := s.entries[key]
	switch {
	case e == nil:
		e = &entry{key: key}
		if _, err := m.insert(s, now, e); err != nil {
			return err
		}
	case e.token == "":
		return nil
	case e.token != token:
		return ErrLeaseLost
	}
	e.token, e.until = "", now+keep
	s.append(e)
	return nil
}

// Release implements [Store].
func (m *memoryStore) Release(_ context.Context, key, token string) error {
	s := m.lock(key)
	defer s.mu.Unlock()
	e := s.entries[key]
	if e == nil {
		return nil
	}
	if e.token != token {
		return ErrLeaseLost
	}
	m.remove(s, e)
	return nil
}

// lock returns the shard of a key, locked.
func (m *memoryStore) lock(key string) *shard {
	s := &m.shards[0]
	if len(m.shards) > 1 {
		s = &m.shards[maphash.String(m.seed, key)%shardCount]
	}
	s.mu.Lock()
	return s
}

// insert adds a key, for which an older one may have to go.
func (m *memoryStore) insert(s *shard, now time.Duration, e *entry) (State, error) {
	if m.size.Add(1) > m.capacity && !m.makeRoom(s, now) {
		m.size.Add(-1)
		return 0, ErrStoreFull
	}
	s.entries[e.key] = e
	return Claimed, nil
}

func (m *memoryStore) remove(s *shard, e *entry) {
	delete(s.entries, e.key)
	m.size.Add(-1)
}

// expire forgets a few of the finished keys whose time is over.
func (m *memoryStore) expire(s *shard, now time.Duration) {
	for range expirePerClaim {
		e := s.oldest
		if e == nil || now < e.until {
			return
		}
		s.dropOldest()
		if s.entries[e.key] == e {
			m.remove(s, e)
		}
	}
}

// makeRoom evicts one finished key: of the shard that needs the room, or of one
// that nobody is using. Where nothing is finished, claims whose lease has run out
// go; there are some only if a callback's goroutine was ended from within.
func (m *memoryStore) makeRoom(s *shard, now time.Duration) bool {
	if m.evict(s, now) {
		return true
	}
	for i := range m.shards {
		other := &m.shards[i]
		if other == s || !other.mu.TryLock() {
			continue
		}
		evicted := m.evict(other, now)
		other.mu.Unlock()
		if evicted {
			return true
		}
	}
	for _, e := range s.entries {
		if now >= e.until {
			m.remove(s, e)
			return true
		}
	}
	return false
}

func (m *memoryStore) evict(s *shard, now time.Duration) bool {
	for s.oldest != nil {
		e := s.oldest
		s.dropOldest()
		if s.entries[e.key] != e {
			continue
		}
		m.remove(s, e)
		if now < e.until {
			m.warnEvicted(now)
		}
		return true
	}
	return false
}

func (m *memoryStore) warnEvicted(now time.Duration) {
	count, last := m.evicted.Add(1), m.warned.Load()
	if last != 0 && now-time.Duration(last) < time.Minute || !m.warned.CompareAndSwap(last, int64(now)) {
		return
	}
	m.logger.Load().Warn("sonzaihook: memory store is full, copies of old deliveries may run again",
		"capacity", m.capacity, "evicted", count)
}

// append adds a key that was just finished.
func (s *shard) append(e *entry) {
	if s.newest == nil {
		s.oldest, s.newest = e, e
		return
	}
	s.newest.next, s.newest = e, e
}

func (s *shard) dropOldest() {
	e := s.oldest
	s.oldest, e.next = e.next, nil
	if s.oldest == nil {
		s.newest = nil
	}
}
