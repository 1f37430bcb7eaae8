package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/simulator"
)

// witness writes down what happens on the stage: in the callbacks, at the
// receiver's observer and at the platform's. It is safe for concurrent use.
type witness struct {
	mu        sync.Mutex
	note      note
	outcomes  []seen         // of the receiver, since the last call of recall
	tries     []try          // of the platform, since the last call of recall
	runs      map[string]int // how often each event ran, since the start
	failed    bool           // the callback of faultyID has failed once
	signature string         // of the last delivery
}

// note is what happened inside of the receiver during one delivery.
type note struct {
	runs int    // how often a callback ran
	saw  string // what it was given
	err  error  // what the log and the observer know, and the sender does not
}

// seen is one outcome at the receiver.
type seen struct {
	sonzaihook.Outcome
	note
}

// try is one attempt of the platform.
type try struct {
	simulator.Attempt
	note
}

// faultyID is the id of the event whose callback fails at first.
const faultyID = "evt_01JFAULTY"

var errOutage = errors.New("the callback's database is down")

// saw notes a run of a callback.
func (w *witness) saw(id, format string, values ...any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.runs == nil {
		w.runs = map[string]int{}
	}
	w.runs[id]++
	w.note.runs++
	w.note.saw = fmt.Sprintf(format, values...)
	if id == faultyID && !w.failed {
		w.failed = true
		return errOutage
	}
	return nil
}

// observe is an observer of the receiver.
func (w *witness) observe(_ context.Context, out sonzaihook.Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note.err = out.Err
	w.outcomes = append(w.outcomes, seen{out, w.note})
	if out.Source != sonzaihook.SourceWebhook {
		w.note = note{} // no attempt follows that takes it
	}
}

// attempted is an observer of the platform.
func (w *witness) attempted(a simulator.Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tries = append(w.tries, try{a, w.note})
	w.note = note{}
}

// signatures keeps the signature of each delivery, so that it can come again.
func (w *witness) signatures(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.signature = r.Header.Get(sonzaihook.SignatureHeader)
		w.mu.Unlock()
		next.ServeHTTP(rw, r)
	})
}

// recall returns what was written down since the last call.
func (w *witness) recall() ([]try, []seen, note) {
	w.mu.Lock()
	defer w.mu.Unlock()
	tries, outcomes, taken := w.tries, w.outcomes, w.note
	w.tries, w.outcomes, w.note = nil, nil, note{}
	return tries, outcomes, taken
}

// lastSignature returns the signature of the last delivery.
func (w *witness) lastSignature() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.signature
}

// ran returns how often each event ran.
func (w *witness) ran() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.runs)
}
