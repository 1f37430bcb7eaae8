package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

const secret = "whsec_proof_0123456789abcdef0123456789"

// Points at which an instance can be killed.
const (
	AfterClaim   = "killed after claim"
	MidRun       = "killed mid-run"
	AfterRun     = "killed after the run"
	AfterCommit  = "killed after commit"
	BeforeAnswer = "killed before the answer"
)

// Points returns the points in the order in which a delivery passes them.
func Points() []string { return []string{AfterClaim, MidRun, AfterRun, AfterCommit, BeforeAnswer} }

// Flaw is a deliberate fault of a receiver, which the check must find.
type Flaw string

// The flaws.
const (
	NoFlaw         Flaw = ""
	CommitsFirst   Flaw = "commits before running"
	KeepsFailures  Flaw = "no release on error"
	AcceptsRunning Flaw = "a copy in flight is answered 200"
)

// journal takes the entries of one instance.
type journal interface {
	// write returns when the entry is safe, if it asks to be.
	write(e Entry, sync bool) error
}

// instance is one receiver with its callback.
type instance struct {
	id      int
	lease   time.Duration
	store   sonzaihook.Store
	journal journal
	pass    func(point string) // called at each point; may not return
	flaw    Flaw
	fail    float64 // the share of runs that return an error

	mu   sync.Mutex
	rng  *rand.Rand
	runs int
}

var errWork = errors.New("proof: the work failed")

// receiver returns the receiver, and the handler to serve.
func (in *instance) receiver() (*sonzaihook.Receiver, http.Handler, error) {
	hooks, err := sonzaihook.New(sonzaihook.Secret(secret),
		sonzaihook.WithStore(&watchedStore{Store: in.store, in: in, held: map[string]bool{}}),
		sonzaihook.WithLease(in.lease),
		sonzaihook.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, nil, err
	}
	hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error { return in.run(ctx, e.ID) })
	return hooks, in.answering(hooks), nil
}

// answering holds an answer back until the last point is passed.
func (in *instance) answering(hooks http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		answer := &heldAnswer{header: http.Header{}}
		hooks.ServeHTTP(answer, req)
		if in.flaw == AcceptsRunning && answer.status == http.StatusServiceUnavailable {
			answer.status = http.StatusOK
		}
		in.pass(BeforeAnswer)
		for name, values := range answer.header {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.status)
		_, _ = w.Write(answer.body.Bytes()) // the platform hears it or sends again
	})
}

type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *heldAnswer) Header() http.Header         { return a.header }
func (a *heldAnswer) WriteHeader(status int)      { a.status = status }
func (a *heldAnswer) Write(b []byte) (int, error) { return a.body.Write(b) }

// run is the callback: it records that it began, works, and records how
// it ended.
func (in *instance) run(ctx context.Context, event string) error {
	e := Entry{Event: event, Instance: in.id}
	var plan work
	e.Run, plan = in.plan()
	note := func(kind string, sync bool) error {
		e.Kind, e.At = kind, time.Now().UnixNano()
		return in.journal.write(e, sync)
	}
	if err := note(Start, true); err != nil {
		return err
	}
	defer func() { _ = note(Leave, false) }() // without it the run counts as running until its instance dies
	err := in.work(ctx, plan)
	if err != nil {
		return errors.Join(err, note(Fail, true))
	}
	if err := note(Finish, true); err != nil {
		return err
	}
	in.pass(AfterRun)
	return nil
}

// work is what one run does.
type work struct {
	took  time.Duration
	fails bool
}

// plan draws the work of the next run: mostly quick, sometimes slow, and rarely
// so long that its claim must be renewed several times.
func (in *instance) plan() (int, work) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.runs++
	w := work{took: time.Duration(in.rng.Int64N(int64(20 * time.Millisecond))), fails: in.rng.Float64() < in.fail}
	switch share := in.rng.Float64(); {
	case share < 0.02:
		w.took = in.lease + in.lease/2
	case share < 0.1:
		w.took = time.Duration(in.rng.Int64N(int64(in.lease / 6)))
	}
	return in.runs, w
}

func (in *instance) work(ctx context.Context, w work) error {
	pause(ctx, w.took/2)
	in.pass(MidRun)
	pause(ctx, w.took/2)
	if ctx.Err() != nil {
		time.Sleep(in.lease / 10) // work takes a moment to stop
		return fmt.Errorf("proof: the work was stopped: %w", context.Cause(ctx))
	}
	if w.fails {
		return errWork
	}
	return nil
}

// watchedStore is a store that passes the points before and after its calls, and has
// the flaws of a store.
type watchedStore struct {
	sonzaihook.Store
	in   *instance
	mu   sync.Mutex
	held map[string]bool // tokens that have claimed; a later claim renews
}

func (s *watchedStore) Claim(ctx context.Context, key, token string, lease time.Duration) (sonzaihook.State, error) {
	state, err := s.Store.Claim(ctx, key, token, lease)
	s.mu.Lock()
	renewed := s.held[token]
	s.held[token] = s.held[token] || state == sonzaihook.Claimed
	s.mu.Unlock()
	if err != nil || state != sonzaihook.Claimed || renewed {
		return state, s.noted(key, err)
	}
	s.in.pass(AfterClaim)
	if s.in.flaw == CommitsFirst {
		return state, s.Store.Commit(ctx, key, token, time.Hour)
	}
	return state, nil
}

func (s *watchedStore) Commit(ctx context.Context, key, token string, keep time.Duration) error {
	err := s.Store.Commit(ctx, key, token, keep)
	if err == nil {
		s.in.pass(AfterCommit)
	}
	return s.noted(key, err)
}

func (s *watchedStore) Release(ctx context.Context, key, token string) error {
	if s.in.flaw == KeepsFailures {
		return nil
	}
	return s.noted(key, s.Store.Release(ctx, key, token))
}

// noted records that a call failed, and returns the error.
func (s *watchedStore) noted(key string, err error) error {
	if err == nil {
		return nil
	}
	e := Entry{Kind: Trouble, Event: key, Instance: s.in.id, At: time.Now().UnixNano()}
	return errors.Join(err, s.in.journal.write(e, false))
}
