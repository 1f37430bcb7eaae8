package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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
	kills  int // still to come
	waits  sync.WaitGroup
	closed chan struct{}

	mu     sync.Mutex
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
			w.waits.Go(func() {
				time.Sleep(delay)
				w.mu.Lock()
				defer w.mu.Unlock()
				w.slots[i] = w.born()
			})
		}
	}
}

// born makes a member, which dies at a point as long as there are kills to come.
func (w *world) born() *member {
	w.next++
	m := &member{w: w, died: make(chan struct{})}
	m.instance = &instance{
		id: w.next, lease: w.lease, journal: m, pass: m.trap, flaw: w.flaw, fail: w.fail,
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
func (w *world) send(ctx context.Context, rng *rand.Rand, event string) Answer {
	w.mu.Lock()
	m := w.slots[rng.IntN(len(w.slots))]
	w.mu.Unlock()
	a := Answer{Event: event, Sent: time.Now()}
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
		m.handler.ServeHTTP(rec, signed(ctx, event))
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

func signed(ctx context.Context, event string) *http.Request {
	raw := string(body(event))
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(raw))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(sonzaihook.SignatureHeader, sonzaihook.Sign([]byte(raw), secret, time.Now()))
	return req
}

// memberStore is the shared store as one member reaches it.
type memberStore struct {
	*faultyStore
	m *member
}

func (s *memberStore) Claim(ctx context.Context, key, token string, lease time.Duration) (sonzaihook.State, error) {
	return s.call(ctx, s.m, func() (sonzaihook.State, error) { return s.inner.Claim(ctx, key, token, lease) })
}

func (s *memberStore) Commit(ctx context.Context, key, token string, keep time.Duration) error {
	_, err := s.call(ctx, s.m, func() (sonzaihook.State, error) { return 0, s.inner.Commit(ctx, key, token, keep) })
	return err
}

func (s *memberStore) Release(ctx context.Context, key, token string) error {
	_, err := s.call(ctx, s.m, func() (sonzaihook.State, error) { return 0, s.inner.Release(ctx, key, token) })
	return err
}

// faultyStore is the store behind a network, with faults.
type faultyStore struct {
	inner  sonzaihook.Store
	w      *world
	faulty bool

	mu      sync.Mutex
	rng     *rand.Rand
	stalled time.Time // it answers nobody until then
}

// What may happen to a call.
const (
	works = iota
	refused
	answerLost
)

func (s *faultyStore) draw() (delay time.Duration, fate int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delay = time.Duration(s.rng.Int64N(int64(3 * time.Millisecond)))
	if !s.faulty {
		return delay, works
	}
	delay = max(delay, time.Until(s.stalled))
	switch share := s.rng.Float64(); {
	case share < 0.01:
		fate = refused
	case share < 0.02:
		fate = answerLost
	}
	if fate != works {
		now := time.Now()
		s.w.fault(RedisCut, now, now)
	}
	return delay, fate
}

// call carries a call out, sooner or later: one that hangs takes effect although
// nobody waits for it any more, as it does when a stalled server goes on.
func (s *faultyStore) call(ctx context.Context, m *member, do func() (sonzaihook.State, error)) (sonzaihook.State, error) {
	type result struct {
		state sonzaihook.State
		err   error
	}
	if err := m.act(func() {}); err != nil {
		return 0, err
	}
	delay, fate := s.draw()
	if fate == refused {
		return 0, errors.New("proof: connection refused")
	}
	done := make(chan result, 1)
	s.w.waits.Go(func() {
		time.Sleep(delay)
		state, err := do()
		done <- result{state, err}
	})
	select {
	case r := <-done:
		if fate == answerLost {
			return 0, errors.New("proof: connection reset")
		}
		return r.state, errors.Join(r.err, m.act(func() {}))
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
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
	faultless     bool
	flaw          Flaw
	fail          float64
}

// runWorld runs the proof in fake time; call it in a bubble.
func runWorld(t *testing.T, seed uint64, c worldConfig) Verdict {
	w := &world{
		seed: seed, lease: 3 * time.Second, flaw: c.flaw, fail: c.fail, kills: c.kills,
		closed: make(chan struct{}), pickAt: randomFor(seed, "kills"),
	}
	w.h = History{Events: eventNames(c.events), Lease: w.lease, Faultless: c.faultless}
	w.store = &faultyStore{
		inner: sonzaihook.NewMemoryStore(4000), w: w, rng: randomFor(seed, "store"),
		faulty: !c.faultless && c.flaw == NoFlaw,
	}
	for i := range w.slots {
		w.slots[i] = w.born()
	}
	if w.store.faulty {
		w.waits.Go(func() { w.disturb(randomFor(seed, "stalls")) })
	}
	p := &platform{seed: seed, events: w.h.Events, copies: 3, spread: 10 * time.Second, send: w.send}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	p.run(ctx)
	close(w.closed)
	w.waits.Wait()
	for _, m := range w.slots {
		require.NoError(t, m.hooks.Shutdown(t.Context()))
	}
	// A dead receiver cannot be shut down. Its commits reach no store, and are tried
	// again until the lease is over; the bubble must outlive that.
	time.Sleep(w.lease + time.Second)
	w.h.Answers = p.answers
	return Check(w.h)
}

func TestManySeedsInFakeTime(t *testing.T) {
	t.Parallel()
	const seeds = 200
	var mu sync.Mutex
	var total Verdict
	t.Run("seeds", func(t *testing.T) {
		for seed := range uint64(seeds) {
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					v := runWorld(t, seed, worldConfig{events: 12, kills: 5, fail: 0.05})
					require.Empty(t, v.Violations)
					mu.Lock()
					defer mu.Unlock()
					total.Runs += v.Runs
					total.Reruns += v.Reruns
					total.Failed += v.Failed
				})
			})
		}
	})
	t.Logf("%d seeds: %d runs, %d failed, %d reruns", seeds, total.Runs, total.Failed, total.Reruns)
	require.Positive(t, total.Reruns, "no fault ever struck between run and commit")
}

func TestWithoutFaultsEachEventRunsOnceInFakeTime(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				v := runWorld(t, seed, worldConfig{events: 40, faultless: true})
				require.Empty(t, v.Violations)
				require.Equal(t, 40, v.Runs)
			})
		})
	}
}

func TestEachFlawIsFoundInFakeTime(t *testing.T) {
	t.Parallel()
	for flaw, want := range flaws {
		for seed := range uint64(5) {
			t.Run(fmt.Sprint(flaw, ", seed ", seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					v := runWorld(t, seed, worldConfig{events: 40, flaw: flaw, fail: 0.2})
					require.Contains(t, strings.Join(v.Violations, "\n"), want)
				})
			})
		}
	}
}

// flaws are what must be said of a receiver with each.
var flaws = map[Flaw]string{
	CommitsFirst:   "before any run had finished",
	KeepsFailures:  "was put off although no run was under way",
	AcceptsRunning: "before any run had finished",
}
