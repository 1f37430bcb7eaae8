package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
)

// world is the proof in one process and in fake time. A killed instance is one
// whose acts have no effect any more: it writes nothing, reaches no store, and its
// answers are not heard.
type world struct {
	seed   uint64
	lease  time.Duration
	store  *faultyStore
	flaw   Flaw
	fail   float64
	hang   time.Duration
	kills  int // still to come
	waits  sync.WaitGroup
	closed chan struct{}

	mu     sync.Mutex
	over   bool // no member is born any more
	slots  [3]*member
	next   int
	h      History
	pickAt *rand.Rand
}

// member is an instance in a slot of the world.
type member struct {
	*instance
	w       *world
	hooks   *sonzaihook.Receiver
	handler http.Handler
	point   string
	after   int // passes of the point that it survives

	mu   sync.Mutex
	dead bool
	died chan struct{}
}

var errDead = errors.New("proof: this instance is dead")

// act does something on behalf of a member unless that is dead.
func (m *member) act(do func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return errDead
	}
	do()
	return nil
}

func (m *member) write(e Entry, _ bool) error {
	return m.act(func() {
		m.w.mu.Lock()
		defer m.w.mu.Unlock()
		m.w.h.Entries = append(m.w.h.Entries, e)
	})
}

// trap kills the member when it has passed its point often enough.
func (m *member) trap(point string) {
	m.mu.Lock()
	if m.dead || point != m.point {
		m.mu.Unlock()
		return
	}
	m.after--
	if m.after >= 0 {
		m.mu.Unlock()
		return
	}
	m.dead = true
	close(m.died)
	m.mu.Unlock()
	m.w.buried(m)
}

// buried records a kill and puts a new member into the slot, a little later.
func (w *world) buried(m *member) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.h.Faults = append(w.h.Faults, Fault{Kind: m.point, Instance: m.id, From: now, Until: now})
	delay := time.Duration(w.pickAt.Int64N(int64(500 * time.Millisecond)))
	for i := range w.slots {
		if w.slots[i] == m {
			go func() { // a run that nobody waits for any more can bury its member
				time.Sleep(delay)
				w.mu.Lock()
				defer w.mu.Unlock()
				if !w.over {
					w.slots[i] = w.born()
				}
			}()
		}
	}
}

// born makes a member, which dies at a point as long as there are kills to come.
func (w *world) born() *member {
	w.next++
	m := &member{w: w, died: make(chan struct{})}
	m.instance = &instance{
		id: w.next, lease: w.lease, journal: m, pass: m.trap, flaw: w.flaw, fail: w.fail, hang: w.hang,
		store: &memberStore{w.store, m}, rng: randomFor(w.seed, "work", w.next),
	}
	if w.kills > 0 {
		w.kills--
		m.point, m.after = Points()[w.pickAt.IntN(len(Points()))], w.pickAt.IntN(8)
	}
	var err error
	if m.hooks, m.handler, err = m.receiver(); err != nil {
		panic(err)
	}
	return m
}

// send delivers to one of the members, over a network that takes its time and
// breaks now and then.
func (w *world) send(ctx context.Context, rng *rand.Rand, e *event, attempt int) Answer {
	w.mu.Lock()
	m := w.slots[rng.IntN(len(w.slots))]
	w.mu.Unlock()
	a := Answer{Sent: time.Now()}
	defer func() { a.Heard = time.Now() }()
	var cut <-chan time.Time
	if !w.h.Faultless && rng.Float64() < 0.05 {
		cut = time.After(time.Duration(rng.Int64N(int64(40 * time.Millisecond))))
	}
	answered := make(chan *httptest.ResponseRecorder, 1)
	w.waits.Go(func() {
		time.Sleep(time.Millisecond)
		if m.act(func() {}) != nil {
			return // nobody listens
		}
		rec := httptest.NewRecorder()
		m.handler.ServeHTTP(rec, request(ctx, e, attempt))
		time.Sleep(time.Millisecond)
		_ = m.act(func() { answered <- rec })
	})
	select {
	case rec := <-answered:
		var answer struct{ Code string }
		_ = json.Unmarshal(rec.Body.Bytes(), &answer)
		a.Status, a.Code = rec.Code, answer.Code
	case <-m.died:
	case <-cut:
	}
	a.Heard = time.Now()
	return a
}

func request(ctx context.Context, e *event, attempt int) *http.Request {
	raw, header := e.delivery(attempt)
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", bytes.NewReader(raw))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(sonzaihook.SignatureHeader, header)
	return req
}

func (w *world) fault(kind string, from, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.h.Faults = append(w.h.Faults, Fault{Kind: kind, From: from, Until: until})
}

// disturb stalls the store now and then until the world is closed.
func (w *world) disturb(rng *rand.Rand) {
	for {
		select {
		case <-w.closed:
			return
		case <-time.After(time.Duration(rng.Int64N(int64(4 * time.Second)))):
		}
		now := time.Now()
		until := now.Add(time.Duration(rng.Int64N(int64(2 * w.lease))))
		w.fault(RedisStalled, now, until)
		w.store.mu.Lock()
		w.store.stalled = until
		w.store.mu.Unlock()
	}
}

type worldConfig struct {
	events, kills int
	lease         time.Duration
	faultless     bool
	stalls        bool // of the store
	flaw          Flaw
	fail          float64
}

// runWorld runs the proof in fake time; call it in a bubble.
func runWorld(t *testing.T, seed uint64, c worldConfig) Verdict {
	w := &world{
		seed: seed, lease: c.lease, flaw: c.flaw, fail: c.fail, kills: c.kills,
		closed: make(chan struct{}), pickAt: randomFor(seed, "kills"),
	}
	// A run that outlives its deadline cannot be told that its lease is lost, which
	// may have no more than a sixth of it left where the store stalls.
	w.hang = w.lease / 7
	if !c.stalls {
		w.hang = 2 * w.lease
	}
	events := drawEvents(seed, c.events)
	w.h = History{Events: namesOf(events), Lease: w.lease, Faultless: c.faultless}
	w.store = &faultyStore{
		inner: sonzaihook.NewMemoryStore(4000), w: w, rng: randomFor(seed, "store"),
		faulty: !c.faultless && c.flaw == NoFlaw, stalls: c.stalls,
	}
	for i := range w.slots {
		w.slots[i] = w.born()
	}
	if c.stalls {
		w.waits.Go(func() { w.disturb(randomFor(seed, "stalls")) })
	}
	p := &platform{seed: seed, events: events, copies: 3, spread: 10 * time.Second, send: w.send}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	p.run(ctx)
	close(w.closed)
	w.waits.Wait()
	w.mu.Lock()
	w.over = true
	last := w.slots
	w.mu.Unlock()
	for _, m := range last {
		require.NoError(t, m.hooks.Shutdown(t.Context()))
	}
	// A dead receiver cannot be shut down. Its runs hang, and its commits reach no
	// store and are tried again until the lease is over; the bubble must outlive that.
	time.Sleep(2*w.lease + w.hang + 2*w.lease + time.Second)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.h.Answers = p.answers
	return Check(w.h)
}
