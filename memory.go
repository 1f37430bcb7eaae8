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
// out a few that have expired, and there is never a sweep. Nothing in a shard is a
// pointer, so the garbage collector does not walk through a hundred thousand keys
// while deliveries run.
type memoryStore struct {
	seeds    [2]maphash.Seed
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
	index   map[digest]int32 // where the entry of a key is
	entries []entry
	unused  int32 // the first of the entries that are free, linked by next
	oldest  int32 // finished keys, linked by next
	newest  int32
}

// digest stands for a key or a token. It is seeded at random for each store, so
// nobody can make two that are the same; by chance it takes some 10^19 keys.
type digest [2]uint64

// entry is one key.
type entry struct {
	key   digest
	token digest
	until time.Duration
	next  int32
	phase entryPhase
}

type entryPhase uint8

const (
	held     entryPhase = iota // by a token
	finished                   // and in the list of the finished
	replaced                   // by a new claim, but still in that list
)

// none is the index of no entry.
const none int32 = -1

const (
	// shardedFrom is the capacity below which one shard is enough.
	shardedFrom = 4096
	shardCount  = 64
	// firstKeys is for how many keys a shard has room at first.
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
// some 120 bytes, whatever its length. Time is the monotonic clock, so a clock that
// jumps changes nothing. The store is safe for concurrent use and starts no
// goroutine.
func NewMemoryStore(capacity int) Store {
	m := &memoryStore{
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
	m.logTo(slog.Default())
	return m
}

// Evicted returns how many finished keys had to make room before their time.
func (m *memoryStore) Evicted() uint64 { return m.evicted.Load() }

func (m *memoryStore) logTo(logger *slog.Logger) { m.logger.Store(logger) }

// Claim implements [Store].
func (m *memoryStore) Claim(_ context.Context, key, token string, lease time.Duration) (State, error) {
	k, t := m.digest(key), m.digest(token)
	s := m.lock(k)
	defer s.mu.Unlock()
	now := time.Since(m.start)
	m.expire(s, now)
	claim := entry{key: k, token: t, until: now + lease}
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
		// It stays in the list of the finished, which forgets it in its turn.
		e.phase = replaced
		s.index[k] = s.add(claim)
	case e.token != t && now < e.until:
		return InFlight, nil
	default:
		e.token, e.until = t, now+lease
	}
	return Claimed, nil
}

// Commit implements [Store].
func (m *memoryStore) Commit(_ context.Context, key, token string, keep time.Duration) error {
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
	s.finish(i, now+keep)
	return nil
}

// Release implements [Store].
func (m *memoryStore) Release(_ context.Context, key, token string) error {
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

func (m *memoryStore) digest(text string) digest {
	return digest{maphash.String(m.seeds[0], text), maphash.String(m.seeds[1], text)}
}

// lock returns the shard of a key, locked.
func (m *memoryStore) lock(k digest) *shard {
	s := &m.shards[k[0]%uint64(len(m.shards))]
	s.mu.Lock()
	return s
}

// insert adds a key, for which an older one may have to go.
func (m *memoryStore) insert(s *shard, now time.Duration, e entry) (int32, error) {
	if m.size.Add(1) > m.capacity && !m.makeRoom(s, now) {
		m.size.Add(-1)
		return none, ErrStoreFull
	}
	i := s.add(e)
	s.index[e.key] = i
	return i, nil
}

// remove forgets a key that is not in the list of the finished.
func (m *memoryStore) remove(s *shard, i int32) {
	delete(s.index, s.entries[i].key)
	s.entries[i].next, s.unused = s.unused, i
	m.size.Add(-1)
}

// expire forgets a few of the finished keys whose time is over.
func (m *memoryStore) expire(s *shard, now time.Duration) {
	for range expirePerClaim {
		if s.oldest == none || now < s.entries[s.oldest].until {
			return
		}
		m.dropOldest(s)
	}
}

// dropOldest takes the first key out of the list of the finished, and reports
// whether that made room.
func (m *memoryStore) dropOldest(s *shard) bool {
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
	for _, i := range s.index {
		if now >= s.entries[i].until {
			m.remove(s, i)
			return true
		}
	}
	return false
}

func (m *memoryStore) evict(s *shard, now time.Duration) bool {
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

func (m *memoryStore) warnEvicted(now time.Duration) {
	count, last := m.evicted.Add(1), m.warned.Load()
	if last != 0 && now-time.Duration(last) < time.Minute || !m.warned.CompareAndSwap(last, int64(now)) {
		return
	}
	m.logger.Load().Warn("sonzaihook: memory store is full, copies of old deliveries may run again",
		"capacity", m.capacity, "evicted", count)
}

// add puts an entry where one is free, and returns where that is.
func (s *shard) add(e entry) int32 {
	i := s.unused
	if i == none {
		s.entries = append(s.entries, e)
		return int32(len(s.entries) - 1)
	}
	s.unused = s.entries[i].next
	s.entries[i] = e
	return i
}

// finish adds a key to the list of the finished.
func (s *shard) finish(i int32, until time.Duration) {
	e := &s.entries[i]
	e.phase, e.until, e.next = finished, until, none
	if s.newest == none {
		s.oldest, s.newest = i, i
		return
	}
	s.entries[s.newest].next, s.newest = i, i
}
