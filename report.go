package sonzaihook

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/sonzaihook/sonzaihook/internal/usercode"
)

// Reporting outcomes to the log and the observers. Both are user code and may panic;
// the length of what is logged is bounded.

// reporter is the log of a receiver. It is safe for concurrent use.
type reporter struct {
	usercode.Logger
	misfit, nameless usercode.Seldom
}

func defaultReporter() *reporter { return &reporter{Logger: usercode.Logger{To: slog.Default()}} }

// about identifies a delivery in outcomes and in the log.
type about struct {
	typ     EventType
	id      string
	project string
	source  Source
}

// outcome logs the outcome of a delivery.
func (rep *reporter) outcome(ctx context.Context, out *Outcome) {
	level, message := slog.LevelDebug, "delivery handled"
	switch {
	case out.Status >= 500 && out.RetryAfter == 0:
		level, message = slog.LevelError, "delivery failed"
	case out.Status >= 500:
		level, message = slog.LevelWarn, "delivery put off"
	case out.Status >= 400:
		level, message = slog.LevelWarn, "delivery refused"
	}
	if !rep.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.Int("status", out.Status), slog.String("code", out.Code)}
	for _, a := range []struct{ key, name string }{
		{"type", string(out.Type)}, {"delivery", out.DeliveryID}, {"project", out.Project},
	} {
		if a.name != "" {
			attrs = append(attrs, usercode.NameAttr(a.key, a.name))
		}
	}
	attrs = append(attrs, usercode.NameAttr("source", string(out.Source)), slog.Duration("duration", out.Duration))
	if out.Err != nil {
		attrs = append(attrs, usercode.ErrorAttr(out.Err))
	}
	if stack := usercode.StackOf(out.Err); stack != nil {
		attrs = append(attrs, usercode.StackAttr(stack))
	}
	rep.Log(ctx, level, message, attrs...)
}

// misfits logs, at most once a second, which fields of an event are zero because
// their value did not fit.
func (rep *reporter) misfits(ctx context.Context, of *about, fields []string) {
	if rep.misfit.Now() {
		rep.Log(ctx, slog.LevelWarn, "fields did not fit and are zero",
			usercode.NameAttr("type", string(of.typ)), usercode.NameAttr("delivery", of.id), usercode.TextAttr("fields", fmt.Sprint(fields)))
	}
}

// unnamed logs, at most once a second, that a delivery which names no project was
// refused although there are projects.
func (rep *reporter) unnamed() {
	if rep.nameless.Now() {
		rep.Log(context.Background(), slog.LevelError, "a delivery that names no project was refused: "+
			"if it is genuine, name the project in the URL, as in /webhooks/sonzai/{project}/{event}")
	}
}

func (rep *reporter) storeFull(capacity int64, evicted uint64) {
	rep.Log(context.Background(), slog.LevelWarn, "memory store is full, copies of old deliveries may run again",
		slog.Int64("capacity", capacity), slog.Uint64("evicted", evicted))
}

// observe calls every observer, even if some of them panic.
func (rep *reporter) observe(ctx context.Context, observers []func(context.Context, Outcome), out *Outcome) {
	for _, observer := range observers {
		func() {
			defer func() {
				if v := recover(); v != nil {
					rep.Log(ctx, slog.LevelError, "observer panicked", usercode.PanicAttr(v))
				}
			}()
			observer(ctx, *out)
		}()
	}
}
