package sonzaihook

import (
	"bytes"
	"context"
	"errors"
	"log/slog"

	"github.com/sonzaihook/sonzaihook/internal/once"
	"github.com/sonzaihook/sonzaihook/internal/usercode"
)

// What happens in the goroutine of a run.

// Run runs the callbacks, or only the dead letter if the delivery was refused. It
// implements once.Work.
func (in *inbound) Run(ctx *once.Context) (handled bool) {
	in.end = ending{row: failed, err: errGoexit} // stays if a callback ends the goroutine
	end := in.run(ctx)
	if end.row.Final() {
		end = keepDeadLetter(ctx, in.table, &in.Delivery, end)
	}
	in.end = end
	return end.row.Settled()
}

// run returns how the callbacks ended, or the refusal.
func (in *inbound) run(ctx *once.Context) (end ending) {
	if in.refused != nil {
		return refusedEnding(in.refused)
	}
	defer func() {
		if v := recover(); v != nil {
			end = endingOf(panicked, usercode.Recovered(v))
		}
	}()
	return callbackEnding(in.table.handle(ctx, &in.Delivery, 0))
}

func refusedEnding(err error) ending {
	if end := callbackEnding(err); end.row == rejected {
		return end // the queue called it Permanent
	}
	return endingOf(answerFor(err), err)
}

// runCallbacks is the innermost handler: the callbacks of the delivery's type,
// one after the other until one returns an error. Middleware may pass on a delivery
// other than the one it was given: if the body differs it is decoded again.
func (s *settings) runCallbacks(ctx context.Context, d *Delivery, now *routeTable) error {
	in := runningUnder(ctx)
	if in == nil || !in.isOf(d) {
		if in != nil {
			now = in.table
		}
		in = &inbound{Delivery: *d, table: now}
		if err := s.resolve(in, now); err != nil {
			return err
		}
	}
	last := len(in.route.callbacks) - 1
	for i, callback := range in.route.callbacks {
		inner := ctx
		if i < last {
			inner = context.WithValue(ctx, lastCallback{}, false)
		}
		if err := callback.run(inner, in.events[callback.decoder]); err != nil {
			return err
		}
	}
	return nil
}

// isOf reports whether the events of a run were decoded from d.
func (in *inbound) isOf(d *Delivery) bool {
	return (d.Type == "" || canonical(d.Type) == in.about.typ) && bytes.Equal(d.Body, in.sent)
}

// keepDeadLetter offers a delivery to the dead-letter functions before a final
// refusal. If one fails the answer is 500, so that the platform sends it again.
func keepDeadLetter(ctx context.Context, table *routeTable, d *Delivery, end ending) ending {
	for _, keep := range table.deadLetter {
		err := keepOne(ctx, keep, d, end.err)
		if err == nil {
			continue
		}
		again := callbackEnding(err)
		if again.row != panicked {
			again = endingOf(failed, usercode.Because(errNotKept, usercode.Text(err), err))
		}
		return again
	}
	end.kept = len(table.deadLetter) > 0
	return end
}

var errNotKept = errors.New("sonzaihook: dead letter not kept")

func keepOne(ctx context.Context, keep func(context.Context, *Delivery, error) error, d *Delivery, why error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = usercode.Recovered(v)
		}
	}()
	return keep(ctx, d, why)
}

// next is the handler that the middleware was given.
func (l *link) next(ctx context.Context, d *Delivery) error {
	if in := runningUnder(ctx); in != nil {
		return in.table.handle(ctx, d, l.at+1)
	}
	return l.routes.Load().handle(ctx, d, l.at+1)
}

// runningUnder returns the run that ctx belongs to, or nil if user code passed on a
// context that is not derived from the run's.
func runningUnder(ctx context.Context) *inbound {
	if a := once.Running(ctx); a != nil {
		in, _ := a.Work().(*inbound)
		return in
	}
	return nil
}

// warn logs what only the operator can act on.
func (s *settings) warn(ctx context.Context, message string, w once.Work, err error) {
	of := &w.(*inbound).about
	s.report.Log(ctx, slog.LevelWarn, message,
		usercode.NameAttr("type", string(of.typ)), usercode.NameAttr("delivery", of.id), usercode.ErrorAttr(err))
}
