package inspector

import (
	"context"
	"fmt"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// Queue knows the deliveries that a receiver has handed off with
// sonzaihook.WithHandOff. Its methods are called concurrently, while a page is made.
type Queue interface {
	// Place returns where the delivery of an identity stands, and false if the queue
	// does not have it, or not any more. Calls are limited to two seconds by ctx.
	Place(ctx context.Context, id string) (Place, bool, error)
}

// QueueFunc is a function that serves as a [Queue].
type QueueFunc func(ctx context.Context, id string) (Place, bool, error)

// Place calls the function.
func (f QueueFunc) Place(ctx context.Context, id string) (Place, bool, error) { return f(ctx, id) }

// Place is where a delivery stands in a queue.
type Place struct {
	Attempts   int       // how often a worker has tried it
	Running    bool      // a worker has it
	Dead       bool      // no worker will try it again
	EnqueuedAt time.Time // zero where it is not known
	Due        time.Time // when it is tried next; zero where it is not known
	Reason     string    // why the last attempt failed, or the delivery is dead
}

// WithQueue lets the page of a delivery that was handed off say where it stands in
// the queue: pending, running, to be tried again, dead or done, after how many
// attempts. The default, nil, says only that it was handed off, and what workers of
// this receiver were seen to do with it.
func WithQueue(queue Queue) Option {
	return func(s *settings) { s.queue = queue }
}

// queued is what the page says of a delivery's place in a queue.
type queued struct {
	State string
	Tone  string
	What  string
	Facts []fact
}

const placeTimeout = 2 * time.Second

// place returns where a delivery stands that was handed off; nil for others.
func (i *Inspector) place(ctx context.Context, r *record, runs []copyRow) *queued {
	if r.out == nil || r.out.id == "" || r.out.sent || !r.out.queued() {
		return nil
	}
	if i.queue == nil {
		return seenRuns(runs)
	}
	ctx, cancel := context.WithTimeout(ctx, placeTimeout)
	defer cancel()
	place, found, err := i.queue.Place(ctx, r.out.id)
	switch {
	case err != nil:
		return &queued{State: "unknown", Tone: "bad", What: "The queue did not say where it stands.", Facts: []fact{i.line("Error", err.Error())}}
	case !found:
		q := seenRuns(runs)
		if q.State != "done" {
			*q = queued{State: "done", Tone: "good", What: "The queue does not have it any more: a worker has finished it, or it was dropped.", Facts: q.Facts}
		}
		return q
	}
	q := place.state()
	q.Facts = append(q.Facts, i.line("Attempts", fmt.Sprint(place.Attempts)))
	if !place.EnqueuedAt.IsZero() {
		q.Facts = append(q.Facts, i.line("Waited", span(max(i.time().Sub(place.EnqueuedAt), 0))))
	}
	if wait := place.Due.Sub(i.time()); !place.Due.IsZero() && !place.Dead && !place.Running && wait > 0 {
		q.Facts = append(q.Facts, i.line("Next try", "in "+span(wait)))
	}
	if place.Reason != "" {
		q.Facts = append(q.Facts, i.line("Reason", place.Reason))
	}
	return q
}

// queued reports whether the outcome is of a hand-off, or of a worker's run.
func (r *result) queued() bool {
	return r.code == sonzaihook.CodeQueued || r.source == string(sonzaihook.SourceBroker)
}

func (p *Place) state() *queued {
	switch {
	case p.Dead:
		return &queued{State: "dead", Tone: "bad", What: "No worker will try it again. The queue keeps it, so that it can be run once its cause is mended."}
	case p.Running:
		return &queued{State: "running", Tone: "wait", What: "A worker has it."}
	case p.Attempts > 0:
		return &queued{State: "retry", Tone: "wait", What: "The last attempt failed; a worker tries it again."}
	}
	return &queued{State: "pending", Tone: "wait", What: "It waits for a worker."}
}

// seenRuns says what workers of this receiver were seen to do.
func seenRuns(runs []copyRow) *queued {
	n, last := 0, copyRow{}
	for _, run := range runs {
		if run.Note == string(sonzaihook.SourceBroker) {
			n, last = n+1, run
		}
	}
	switch {
	case n == 0:
		return &queued{State: "handed off", Tone: "quiet", What: "A queue has it. Which worker runs it, and when, is not known here."}
	case last.Tone == "good" || last.Tone == "quiet":
		return &queued{State: "done", Tone: "good", What: fmt.Sprintf("A worker has run it: see #%d.", last.Seq)}
	}
	return &queued{State: "failed", Tone: last.Tone, What: fmt.Sprintf("A worker ran it and did not succeed: see #%d.", last.Seq)}
}

func (i *Inspector) line(label, text string) fact {
	return fact{[]chunk{{Text: label}}, [][]chunk{chunks(i.redact(text), 512, false)}}
}
