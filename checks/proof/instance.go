package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
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
	fail    float64       // the share of runs that fail, in one way or another
	hang    time.Duration // how long past its deadline a run hangs; 0: none does

	mu   sync.Mutex
	rng  *rand.Rand
	runs int
}

var errWork = errors.New("proof: the work failed")

// receiver returns the receiver, and the handler to serve.
func (in *instance) receiver() (*sonzaihook.Receiver, http.Handler, error) {
	options := []sonzaihook.Option{
		sonzaihook.WithStore(&watchedStore{Store: in.store, in: in, asked: map[string]time.Time{}, tried: map[string]bool{}}),
		sonzaihook.WithLease(in.lease),
		sonzaihook.WithLogger(slog.New(slog.DiscardHandler)),
	}
	if in.hang > 0 {
		options = append(options, sonzaihook.WithHandlerTimeout(2*in.lease))
	}
	hooks, err := sonzaihook.New(sonzaihook.Secret(secret), append(options, in.flaw.options(in.lease)...)...)
	if err != nil {
		return nil, nil, err
	}
	hooks.OnMessage(callback[sonzaihook.Message](in))
	hooks.OnMoodChange(callback[sonzaihook.MoodChange](in))
	hooks.OnMemoryAdded(callback[sonzaihook.MemoryAdded](in))
	hooks.OnBreakthrough(callback[sonzaihook.Breakthrough](in))
	hooks.OnWakeup(callback[sonzaihook.Wakeup](in))
	hooks.OnConsolidation(callback[sonzaihook.Consolidation](in))
	sonzaihook.On(hooks, lead, callback[struct{ Note string }](in))
	hooks.OnOther(callback[json.RawMessage](in))
	return hooks, in.answering(hooks), nil
}

// callback returns the callback for the payload T.
func callback[T any](in *instance) func(context.Context, *sonzaihook.Event[T]) error {
	return func(ctx context.Context, e *sonzaihook.Event[T]) error {
		if in.flaw == RefusesOddFields && len(e.Misfit) > 0 {
			return sonzaihook.Permanent(errWork)
		}
		return in.run(ctx, nameOf(e.Raw))
	}
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
	claim, _ := sonzaihook.ClaimFrom(ctx)
	e := Entry{Event: event, Key: claim.Key, Instance: in.id}
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
	if err := in.work(ctx, plan); err != nil {
		return errors.Join(err, note(Fail, true))
	}
	if plan.end == succeeds || plan.end == hangs {
		if err := note(Finish, true); err != nil {
			return err
		}
		in.pass(AfterRun)
		return nil
	}
	if err := note(Fail, true); err != nil {
		return err
	}
	return plan.end.failure()
}

// ending is how a run ends.
type ending int

const (
	succeeds ending = iota
	hangs           // past its deadline, and then it succeeds
	fails
	panics
	typedNil // it returns a nil pointer as an error
	hangsAndFails
)

// failure fails in the way that the ending says.
func (e ending) failure() error {
	switch e {
	case panics:
		panic("proof: the work panicked")
	case typedNil:
		var err *url.Error
		return err
	}
	return errWork
}

// work is what one run does.
type work struct {
	took time.Duration
	end  ending
}

// plan draws the work of the next run: mostly quick, sometimes slow, and rarely
// so long that its claim must be renewed several times.
func (in *instance) plan() (int, work) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.runs++
	w := work{took: time.Duration(in.rng.Int64N(int64(20 * time.Millisecond)))}
	if in.rng.Float64() < in.fail {
		endings := []ending{fails, panics, typedNil, hangs, hangsAndFails}
		if in.hang == 0 {
			endings = endings[:3]
		}
		w.end = endings[in.rng.IntN(len(endings))]
	}
	switch share := in.rng.Float64(); {
	case share < 0.02:
		w.took = in.lease + in.lease/2
	case share < 0.1:
		w.took = time.Duration(in.rng.Int64N(int64(in.lease / 6)))
	}
	if in.flaw == RunsLateClaims {
		w.took += in.lease / 2
	}
	return in.runs, w
}

func (in *instance) work(ctx context.Context, w work) error {
	pause(ctx, w.took/2)
	in.pass(MidRun)
	pause(ctx, w.took/2)
	if ctx.Err() == nil && (w.end == hangs || w.end == hangsAndFails) {
		<-ctx.Done()
		if errors.Is(context.Cause(ctx), sonzaihook.ErrHandlerTimeout) {
			time.Sleep(in.hang)
			return nil
		}
	}
	if ctx.Err() != nil {
		time.Sleep(in.lease / 10) // work takes a moment to stop
		return fmt.Errorf("proof: the work was stopped: %w", context.Cause(ctx))
	}
	return nil
}

// coin draws one of two.
func (in *instance) coin() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.rng.IntN(2) == 0
}
