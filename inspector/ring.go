package inspector

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// shelf keeps what was seen: a ring for deliveries that were authentic and one for
// those that were refused, so that a flood of forged ones displaces none that
// matters. A mutex guards it; what is done under it is a few assignments, never
// a copy of a body, a callback or a write to a client.
type shelf struct {
	mu    sync.Mutex
	last  uint64 // the number of the newest
	rings [kinds]ring

	// Who takes records out counts as a reader until it is done with them, from
	// before it holds mu. While there is none, the memory of what goes is used again.
	readers atomic.Int32
	spare   sync.Pool // of *kept
}

// read lets records be taken out until the function that it returns is called.
func (s *shelf) read() (done func()) {
	s.readers.Add(1)
	return func() { s.readers.Add(-1) }
}

// ring keeps the newest records within a number and a weight.
type ring struct {
	slots  []*record
	first  int // index of the oldest
	n      int
	weight int
	heavy  int    // the most that they may weigh
	pushed uint64 // how many there ever were
}

func newShelf(deliveries, bytes int) *shelf {
	s := new(shelf)
	few := max(deliveries/5, 1)
	s.rings[handled] = ring{slots: make([]*record, max(deliveries-few, 1)), heavy: bytes / 2}
	s.rings[refused] = ring{slots: make([]*record, few), heavy: bytes / 4}
	return s
}

// add keeps a record and returns its number.
func (s *shelf) add(r *record) uint64 {
	weight, kind := r.weight(), r.kind()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	r.seq = s.last
	s.rings[kind].push(r, weight, s.forget)
	return r.seq
}

// forget keeps the memory of a record that is gone, under mu.
func (s *shelf) forget(r *record) {
	if r.home != nil && s.readers.Load() == 0 {
		s.spare.Put(r.home)
	}
}

func (g *ring) push(r *record, weight int, gone func(*record)) {
	for g.n > 0 && (g.n == len(g.slots) || g.weight+weight > g.heavy) {
		old := g.slots[g.first]
		g.slots[g.first] = nil
		g.weight -= old.weight()
		gone(old)
		g.first = (g.first + 1) % len(g.slots)
		g.n--
	}
	g.slots[(g.first+g.n)%len(g.slots)] = r
	g.n++
	g.pushed++
	g.weight += weight
}

// amend puts a record with a late outcome where the first one was. Its weight is
// allowed to be a little more than was reckoned with.
func (s *shelf) amend(seq uint64, out *result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.rings {
		g := &s.rings[k]
		if i, found := g.find(seq); found {
			old := g.slots[i]
			next := *old
			next.out, next.home = out, nil
			g.weight += next.weight() - old.weight()
			g.slots[i] = &next
			return
		}
	}
}

// find uses that numbers rise from the oldest to the newest.
func (g *ring) find(seq uint64) (int, bool) {
	lo, hi := 0, g.n
	for lo < hi {
		mid := (lo + hi) / 2
		if g.slots[(g.first+mid)%len(g.slots)].seq < seq {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	i := (g.first + lo) % len(g.slots)
	return i, lo < g.n && g.slots[i].seq == seq
}

func (s *shelf) get(seq uint64) *record {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.rings {
		if i, found := s.rings[k].find(seq); found {
			return s.rings[k].slots[i]
		}
	}
	return nil
}

// newest returns up to limit records of a kind that are newer than after, newest
// first.
func (s *shelf) newest(k kind, after uint64, limit int) (list []*record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &s.rings[k]
	for i := g.n - 1; i >= 0; i-- {
		r := g.slots[(g.first+i)%len(g.slots)]
		if r.seq <= after || len(list) == limit {
			break
		}
		list = append(list, r)
	}
	return list
}

// all returns everything that is kept, newest first.
func (s *shelf) all() []*record {
	list := append(s.newest(handled, 0, math.MaxInt), s.newest(refused, 0, math.MaxInt)...)
	slices.SortFunc(list, func(a, b *record) int { return cmp.Compare(b.seq, a.seq) })
	return list
}

type tally struct {
	last   uint64
	n      [kinds]int
	pushed [kinds]uint64
	bytes  int
}

func (s *shelf) count() (t tally) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.last = s.last
	for k := range s.rings {
		t.n[k], t.pushed[k] = s.rings[k].n, s.rings[k].pushed
		t.bytes += s.rings[k].weight
	}
	return t
}
