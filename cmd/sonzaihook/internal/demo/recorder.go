package demo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/simulator"
)

// recorder keeps what happens in the scenario: in the callbacks, at the
// receiver's observer and at the platform's. It is safe for concurrent use.
type recorder struct {
	mu        sync.Mutex
	note      note
	outcomes  []seen         // of the receiver, since the last call of recall
	tries     []try          // of the platform, since the last call of recall
	runs      map[string]int // how often each event ran, since the start
	failed    bool           // the callback of faultyID has failed once
	signature string         // of the last delivery
}

// note is what happened inside the receiver during one delivery.
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

var errServiceDown = errors.New("the callback's service is down")

var errOutage = errors.New("the callback's database is down")

// saw notes a run of a callback.
func (r *recorder) saw(id, format string, values ...any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.runs == nil {
		r.runs = map[string]int{}
	}
	r.runs[id]++
	r.note.runs++
	r.note.saw = fmt.Sprintf(format, values...)
	if id == faultyID && !r.failed {
		r.failed = true
		return errOutage
	}
	return nil
}

// observe is an observer of the receiver.
func (r *recorder) observe(_ context.Context, out sonzaihook.Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note.err = out.Err
	r.outcomes = append(r.outcomes, seen{out, r.note})
	if out.Source != sonzaihook.SourceWebhook {
		r.note = note{} // no attempt follows that takes it
	}
}

// attempted is an observer of the platform.
func (r *recorder) attempted(a simulator.Attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries = append(r.tries, try{a, r.note})
	r.note = note{}
}

// signatures keeps the signature of each delivery, so that it can come again.
func (r *recorder) signatures(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.signature = req.Header.Get(sonzaihook.SignatureHeader)
		r.mu.Unlock()
		next.ServeHTTP(w, req)
	})
}

// recall returns what happened since the last call.
func (r *recorder) recall() ([]try, []seen, note) {
	r.mu.Lock()
	defer r.mu.Unlock()
	tries, outcomes, taken := r.tries, r.outcomes, r.note
	r.tries, r.outcomes, r.note = nil, nil, note{}
	return tries, outcomes, taken
}

// lastSignature returns the signature of the last delivery.
func (r *recorder) lastSignature() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.signature
}

// ran returns how often each event ran.
func (r *recorder) ran() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.runs)
}

// detail describes in a few words how the receiver handled a delivery.
func (n note) detail() string {
	switch {
	case n.err != nil:
		return strings.TrimPrefix(n.err.Error(), "sonzaihook: ")
	case n.runs == 0:
		return "no callback ran"
	}
	return n.saw
}
