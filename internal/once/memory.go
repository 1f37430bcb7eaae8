package once

import (
	"context"
	"hash/maphash"
	"sync/atomic"
	"time"
)

// Memory is a Store in the memory of this process. It is split into shards, so that
// deliveries do not wait for one another. A shard keeps its finished keys in the order
// in which they were finished, which is nearly the order in which they expire: each
// claim removes a few that have expired, so no sweep is needed. A shard holds no
// pointers, so the garbage collector does not scan a hundred thousand keys.
type Memory struct {
	seeds    [2]maphash.Seed
	start    time.Time // times are counted from here, on the monotonic clock
	shards   []shard
	capacity int64
	size     atomic.Int64
	evicted  atomic.Uint64
	full     atomic.Pointer[func(capacity int64, evicted uint64)]
	warned   atomic.Int64 // when the last warning was given, a time.Duration
}

const (
	// shardedFrom is the capacity below which one shard is enough.
	shardedFrom = 4096
	shardCount  = 64
	// firstKeys is for how many keys a shard has room at first.
	firstKeys = 24
	// expirePerClaim is more than one, so that expired keys do not accumulate.
	expirePerClaim = 4
)

// NewMemory returns a store of up to capacity keys; a capacity below 1 counts as 1.
func NewMemory(capacity int) *Memory {
	m := &Memory{
		seeds:    [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		start:    time.Now(),
		capacity: int64(max(capacity, 1)),
		shards:   make([]shard, 1),
	}
	if capacity >= shardedFrom {
		m.shards = make([]shard, shardCount)
	}
	for i := range m.shards {
		room := min(m.capacity, firstKeys)
		m.shards[i] = shard{
			index: make(map[digest]int32, room), entries: make([]entry, 0, room),
			unused: none, oldest: none, newest: none,
		}
	}
	return m
}

// Evicted returns how many finished keys were evicted before they expired.
func (m *Memory) Evicted() uint64 { return m.evicted.Load() }

// WhenFull sets a function that is called when a finished key is evicted before it
// expires, at most once per minute. It must not call the store.
func (m *Memory) WhenFull(warn func(capacity int64, evicted uint64)) { m.full.Store(&warn) }

// Claim implements [Store].
func (m *Memory) Claim(_ context.Context, key, token string, lease time.Duration) (State, error) {
	k, t := m.digest(key), m.digest(token)
	s := m.lock(k)
	defer s.mu.Unlock()
	now := time.Since(m.start)
	m.expire(s, now)
	claim := entry{key: k, token: t, until: saturated(now, lease)}
	i, known := s.index[k]
	if !known {
		_, err := m.insert(s, now, claim)
		if err != nil {
			return 0, err
		}
		return Claimed, nil
	}
	switch e := &s.entries[i]; {
	case e.phase == finished && now < e.until:
		return Done, nil
	case e.phase == finished:
		// It stays in the list of finished keys until that drops it.
		e.phase = replaced
		s.index[k] = s.add(claim)
	case e.token != t && now < e.until:
		return InFlight, nil
	default:
		e.token, e.until = t, saturated(now, lease)
	}
	return Claimed, nil
}

// Commit implements [Store].
func (m *Memory) Commit(_ context.Context, key, token string, keep time.Duration) error {
	k, t := m.digest(key), m.digest(token)
	s := m.lock(k)
	defer s.mu.Unlock()
	now := time.Since(m.start)
	i, known := s.index[k]
	switch {
	case !known:
		var err error
		if i, err = m.insert(s, now, entry{key: k}); err != nil {
			return err
		}
	case s.entries[i].phase == finished:
		return nil
	case s.entries[i].token != t:
		return ErrLeaseLost
	}
	s.finish(i, saturated(now, keep))
	return nil
}

// Release implements [Store].
func (m *Memory) Release(_ context.Context, key, token string) error {
	k, t := m.digest(key), m.digest(token)
	s := m.lock(k)
	defer s.mu.Unlock()
	i, known := s.index[k]
	if !known {
		return nil
	}
	if e := &s.entries[i]; e.phase == finished || e.token != t {
		return ErrLeaseLost
	}
	m.remove(s, i)
	return nil
}

func (m *Memory) digest(text string) digest {
	return digest{maphash.String(m.seeds[0], text), maphash.String(m.seeds[1], text)}
}

// lock returns the shard of a key, locked.
func (m *Memory) lock(k digest) *shard {
	s := &m.shards[k[0]%uint64(len(m.shards))]
	s.mu.Lock()
	return s
}

// insert adds a key, which may evict an older one.
func (m *Memory) insert(s *shard, now time.Duration, e entry) (int32, error) {
	if m.size.Add(1) > m.capacity && !m.makeRoom(s, now) {
		m.size.Add(-1)
		return none, ErrStoreFull
	}
	i := s.add(e)
	s.index[e.key] = i
	return i, nil
}

// remove removes a key that is not in the list of finished keys.
func (m *Memory) remove(s *shard, i int32) {
	delete(s.index, s.entries[i].key)
	s.entries[i].next, s.unused = s.unused, i
	m.size.Add(-1)
}

// expire removes a few finished keys that have expired.
func (m *Memory) expire(s *shard, now time.Duration) {
	for range expirePerClaim {
		if s.oldest == none || now < s.entries[s.oldest].until {
			return
		}
		m.dropOldest(s)
	}
}

// dropOldest removes the first key of the list of finished keys, and reports
// whether that made room.
func (m *Memory) dropOldest(s *shard) bool {
	i := s.oldest
	e := &s.entries[i]
	if s.oldest = e.next; s.oldest == none {
		s.newest = none
	}
	if e.phase == replaced {
		e.next, s.unused = s.unused, i
		return false
	}
	m.remove(s, i)
	return true
}

// makeRoom evicts one finished key: of the shard that needs the room, or of one
// that no call is using. If nothing is finished, it removes claims whose lease has
// run out, which a callback that ended its goroutine leaves behind.
func (m *Memory) makeRoom(s *shard, now time.Duration) bool {
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
	for _, i := range s.index {
		if now >= s.entries[i].until {
			m.remove(s, i)
			return true
		}
	}
	return false
}

func (m *Memory) evict(s *shard, now time.Duration) bool {
	for s.oldest != none {
		early := now < s.entries[s.oldest].until
		if !m.dropOldest(s) {
			continue
		}
		if early {
			m.warnEvicted(now)
		}
		return true
	}
	return false
}

func (m *Memory) warnEvicted(now time.Duration) {
	count, last := m.evicted.Add(1), m.warned.Load()
	if last != 0 && now-time.Duration(last) < time.Minute || !m.warned.CompareAndSwap(last, int64(now)) {
		return
	}
	if warn := m.full.Load(); warn != nil {
		(*warn)(m.capacity, count)
	}
}
