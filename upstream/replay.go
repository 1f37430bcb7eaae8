package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"

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
	// Outcome is what happened to it now. It is zero where it was not run: in a dry
	// run, without a body, or because Replay was stopped before.
	Outcome sonzaihook.Outcome
}

// Count returns how many of the deliveries had an outcome with this code, such
// as [sonzaihook.CodeProcessed]; the empty code counts those that were not run.
func (r Report) Count(code string) int {
	n := 0
	for _, d := range r.Deliveries {
		if d.Outcome.Code == code {
			n++
		}
	}
	return n
}

// Replay walks the delivery logs of the event types for which the receiver has a
// callback, under every known name, or of the names of [WithTypes], and runs the
// callbacks for what was missed, see [Missed], with the recorded body, one after
// the other. An event that was handled although the log does not show it, as when
// only the answer got lost, is recognised by the receiver's store and not run again;
// calling Replay twice is harmless for the same reason. An event without any id, in
// the envelope or in the payload, is recognised between two replays, but not between
// a replay and a delivery.
//
// [WithSince] leaves out what is older, such as what a store has forgotten: a
// receiver recognises an event for three days. [WithDryRun] lists and runs nothing.
//
// A delivery that fails again is left for another call, as is one whose body the
// platform did not keep: the others are run, and Replay returns [ErrUnsettled]
// with the report. The end of ctx and a receiver that is shut down stop it between
// two deliveries.
func Replay(ctx context.Context, target Target, webhooks sonzaiapi.Webhooks, options ...Option) (Report, error) {
	var report Report
	s, err := newSettings(options)
	if err != nil {
		return report, err
	}
	if target, err = within(target, webhooks.ProjectID()); err != nil {
		return report, err
	}
	families, err := s.families(target)
	if err != nil {
		return report, err
	}
	all, err := missed(ctx, webhooks, families, s.since)
	if err != nil {
		return report, err
	}
	for _, m := range all {
		report.Deliveries = append(report.Deliveries, Replayed{MissedDelivery: m})
	}
	if s.dryRun {
		return report, nil
	}
	return report, s.replay(ctx, target, report.Deliveries)
}

// replay runs the deliveries and records their outcomes.
func (s *settings) replay(ctx context.Context, target Target, deliveries []Replayed) error {
	failed := 0
	for i := range deliveries {
		d := &deliveries[i]
		if ctx.Err() != nil {
			return fmt.Errorf("upstream: replay stopped after %d of %d: %w", i, len(deliveries), context.Cause(ctx))
		}
		if d.Body == nil {
			failed++
			s.logger.WarnContext(ctx, "upstream: the platform did not keep the body of a missed delivery", "delivery", d.MissedDelivery)
			continue
		}
		d.Outcome = target.Dispatch(ctx, d.Delivery())
		if errors.Is(d.Outcome.Err, sonzaihook.ErrShuttingDown) {
			return fmt.Errorf("upstream: replay stopped after %d of %d: %w", i, len(deliveries), d.Outcome.Err)
		}
		if d.Outcome.Status >= http.StatusMultipleChoices {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%w: %d of %d replayed", ErrUnsettled, failed, len(deliveries))
	}
	return nil
}
