package upstream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// pollPage is how many notifications a call asks for: the most that the platform
// lists of a project.
const pollPage = 200

// settleTimeout bounds the calls that settle what was handled before a poll is
// stopped.
const settleTimeout = 10 * time.Second

// inbox is where the platform keeps what waits to be fetched.
type inbox struct {
	// fetch returns what waits, and whether there may be more behind it.
	fetch func(ctx context.Context) (waiting []notification, more bool, err error)
	// settle takes notifications out and returns how many that were.
	settle func(ctx context.Context, ids []string) (int, error)
}

// notification is an event that waits, in the form of a delivery.
type notification struct {
	id       string
	delivery *sonzaihook.Delivery
}

// poller moves events from an inbox to the callbacks of a receiver.
type poller struct {
	*settings
	inbox
	target   Target
	skip     map[string]bool // what waits and is not to be run again by now
	refused  map[string]bool // of that, what was refused for good
	answered bool            // the platform has answered once
}

func poll(ctx context.Context, target Target, project string, options []Option, open func(*settings) inbox) error {
	s, err := newSettings(options)
	if err != nil {
		return err
	}
	if _, err := within(target, project); err != nil {
		return err
	}
	p := &poller{settings: s, inbox: open(s), target: target, refused: map[string]bool{}}
	if s.once {
		return p.runOnce(ctx)
	}
	return p.run(ctx)
}

func (p *poller) runOnce(ctx context.Context) error {
	result, err := p.drain(ctx)
	if err != nil {
		return err
	}
	if result.left > 0 {
		return fmt.Errorf("%w: %d polled, %d stay with the platform", ErrUnsettled, result.settled+result.left, result.left)
	}
	return nil
}

// run polls until the context ends or a call fails for good.
func (p *poller) run(ctx context.Context) error {
	pace := newBackoff(p.shortest, p.longest)
	for {
		result, err := p.drain(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !p.mendable(err):
			return err
		case err != nil:
			p.logger.WarnContext(ctx, "upstream: poll failed", "error", err)
		case result.settled > 0:
			pace.Reset()
		}
		if !sleep(ctx, waitAfter(err, pace)) {
			return nil
		}
	}
}

// mendable reports whether the next poll may succeed. A platform that answered
// once may well show a web page for a while; an address that never answered with
// JSON is wrong.
func (p *poller) mendable(err error) bool {
	return passing(err) || p.answered && errors.Is(err, sonzaiapi.ErrNotJSON)
}

// waitAfter is the next wait, or what the platform asked for if that is longer.
func waitAfter(err error, pace *backoff.ExponentialBackOff) time.Duration {
	wait := pace.NextBackOff()
	if e, ok := errors.AsType[*sonzaiapi.Error](err); ok {
		wait = max(wait, e.RetryAfter)
	}
	return wait
}

// sleep waits and reports whether the context has not ended by then.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// tally counts notifications: those that are done with, and those that stay.
type tally struct{ settled, left int }

// drain goes through what is waiting, page by page, as long as that makes room
// for more. What fails on the way is left to the next drain.
func (p *poller) drain(ctx context.Context) (tally, error) {
	p.skip = maps.Clone(p.refused)
	var all tally
	for {
		waiting, more, err := p.fetch(ctx)
		if err != nil {
			return all, err
		}
		p.answered = true
		page, err := p.handle(ctx, waiting)
		all.settled, all.left = all.settled+page.settled, page.left
		if err != nil || !more || page.settled == 0 {
			return all, err
		}
	}
}

// handle runs the callbacks for one page and settles what they have handled, also
// when the context ends in the middle of it.
func (p *poller) handle(ctx context.Context, waiting []notification) (tally, error) {
	var done []string
	var stopped error
	for _, n := range waiting {
		if n.id == "" || p.skip[n.id] {
			continue // without an id it cannot be settled
		}
		if ctx.Err() != nil {
			stopped = context.Cause(ctx)
			break
		}
		out := p.target.Dispatch(ctx, n.delivery)
		if errors.Is(out.Err, sonzaihook.ErrShuttingDown) {
			stopped = fmt.Errorf("upstream: poll stopped: %w", out.Err)
			break
		}
		if p.settles(ctx, n, out) {
			done = append(done, n.id)
		} else {
			p.skip[n.id] = true
		}
	}
	settled, err := p.settleAll(ctx, done)
	return tally{settled, len(waiting) - settled}, both(stopped, err)
}

// settles reports whether the platform can forget a notification.
func (p *poller) settles(ctx context.Context, n notification, out sonzaihook.Outcome) bool {
	switch {
	case out.Status < http.StatusMultipleChoices:
		return true
	case out.Status >= http.StatusInternalServerError:
		return false
	case p.ackRefused:
		return true
	}
	p.refused[n.id] = true
	p.logger.WarnContext(ctx, "upstream: a refused notification stays with the platform and is not run again by this poll",
		"notification", n.id, "type", out.Type, "code", out.Code)
	return false
}

// settleAll settles what was handled, even if the poll is being stopped.
func (p *poller) settleAll(ctx context.Context, ids []string) (int, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	return p.settle(ctx, ids)
}
