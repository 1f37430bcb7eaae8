package once

import (
	"sync"
	"time"
)

// shard is a part of a Memory.
type shard struct {
	mu      sync.Mutex
	index   map[digest]int32 // where the entry of a key is
	entries []entry
	unused  int32 // the first of the entries that are free, linked by next
	oldest  int32 // finished keys, linked by next
	newest  int32
}

// digest represents a key or a token. It is seeded at random for each store, so no
// sender can make two that collide; by chance that takes some 10^19 keys.
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
	finished                   // and in the list of finished keys
	replaced                   // by a new claim, but still in that list
)

// none is an index that no entry has.
const none int32 = -1

// add stores an entry in a free place, and returns its index.
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

// finish adds a key to the list of finished keys.
func (s *shard) finish(i int32, until time.Duration) {
	e := &s.entries[i]
	e.phase, e.until, e.next = finished, until, none
	if s.newest == none {
		s.oldest, s.newest = i, i
		return
	}
	s.entries[s.newest].next, s.newest = i, i
}
