package upstream

import (
	"context"
	"iter"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// Report is what [Replay] did.
type Report struct {
	// Deliveries are those that were missed, the oldest first.
	Deliveries []Replayed
}

// Replayed is one delivery of a [Report].
type Replayed struct {
	MissedDelivery
	// Outcome is what became of it now; zero where it was not run.
	Outcome sonzaihook.Outcome
}

// MissedDelivery is an event that no attempt has delivered.
type MissedDelivery struct {
	Type sonzaihook.EventType
	// EventID is the event id of the body, empty where it has none.
	EventID string
	// Attempts is how often the platform has tried.
	Attempts int
	// First and Last are when it tried first and last.
	First, Last time.Time
	// ResponseCode and Error are what came of the last attempt; a code of 0 means
	// that it did not arrive.
	ResponseCode int
	Error        string
	// Body is what was sent, nil where the platform did not keep it.
	Body sonzaiapi.Body
}

// Delivery returns what to hand to a receiver's Dispatch.
func (m MissedDelivery) Delivery() *sonzaihook.Delivery {
	return &sonzaihook.Delivery{Type: m.Type, Source: sonzaihook.SourceReplay, Body: m.Body}
}

// Replay runs what was missed.
func Replay(ctx context.Context, hooks *sonzaihook.Receiver, webhooks sonzaiapi.Webhooks, options ...Option) (Report, error) {
	return Report{}, nil
}

// Missed lists what Replay would run.
func Missed(ctx context.Context, webhooks sonzaiapi.Webhooks, types []sonzaihook.EventType, since time.Time) iter.Seq2[MissedDelivery, error] {
	return func(func(MissedDelivery, error) bool) {}
}
