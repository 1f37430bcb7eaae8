package otelhook

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// A receiver that was made with Options and is attached besides has two observers.
// The one from Options is told first, in the same goroutine and with the same
// outcome, so at its first delivery the other one can see whether it is needed.

// sighting is what an observer from Options was told.
type sighting struct {
	ctx context.Context
	outcome
}

// outcome is what identifies a delivery's outcome while it is being told.
type outcome struct {
	code, id string
	signed   time.Time
	duration time.Duration
}

func outcomeOf(out sonzaihook.Outcome) outcome {
	return outcome{code: out.Code, id: out.DeliveryID, signed: out.SignedAt, duration: out.Duration}
}

// mostSightings bounds what is kept while an attached receiver gets no delivery.
const mostSightings = 1024

func (t *Telemetry) saw(ctx context.Context, out sonzaihook.Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.recent) == mostSightings {
		t.recent = slices.Delete(t.recent, 0, mostSightings/2)
	}
	t.recent = append(t.recent, sighting{ctx, outcomeOf(out)})
}

// wasSeen reports whether an observer from Options was told just this.
func (t *Telemetry) wasSeen(ctx context.Context, out sonzaihook.Outcome) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	want := outcomeOf(out)
	for i, s := range slices.Backward(t.recent) {
		if s.outcome == want && sameContext(s.ctx, ctx) {
			t.recent = slices.Delete(t.recent, i, i+1)
			return true
		}
	}
	return false
}

// sameContext reports whether both are one context. A context of a type that
// cannot be compared is taken to be the same.
func sameContext(a, b context.Context) (same bool) {
	defer func() {
		if recover() != nil {
			same = true
		}
	}()
	return a == b
}

// forget drops the sightings when they are not needed any more.
func (t *Telemetry) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.undecided.Add(-1) == 0 {
		t.recent = nil
	}
}

// attachment is the observer of a receiver that was attached.
type attachment struct {
	t         *Telemetry
	decide    sync.Once
	redundant bool // the receiver was made with Options
}

func (a *attachment) observe(ctx context.Context, out sonzaihook.Outcome) {
	a.decide.Do(func() {
		a.redundant = a.t.wasSeen(ctx, out)
		a.t.forget()
	})
	if !a.redundant {
		a.t.observe(ctx, out)
	}
}
