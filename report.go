package sonzaihook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/sonzaihook/sonzaihook/internal/once"
)

// Reporting outcomes to the log and the observers. Both are user code and may panic;
// the length of what is logged is bounded.

// reporter writes to a logger whose handler may panic. It is safe for concurrent use.
type reporter struct {
	logger *slog.Logger
	// When these were last logged, in Unix seconds.
	misfit, nameless atomic.Int64
}

func defaultReporter() *reporter { return &reporter{logger: slog.Default()} }

// log writes a record. If the handler panics the record is lost.
func (rep *reporter) log(ctx context.Context, level slog.Level, message string, attrs ...slog.Attr) {
	defer func() { _ = recover() }() // there is nowhere left to report it
	rep.logger.LogAttrs(ctx, level, "sonzaihook: "+message, attrs...)
}

func (rep *reporter) enabled(ctx context.Context, level slog.Level) (on bool) {
	defer func() { _ = recover() }()
	return rep.logger.Enabled(ctx, level)
}

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
	if !rep.enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.Int("status", out.Status), slog.String("code", out.Code)}
	for _, a := range []struct{ key, text string }{
		{"type", string(out.Type)}, {"delivery", out.DeliveryID}, {"project", out.Project},
	} {
		if a.text != "" {
			attrs = append(attrs, slog.String(a.key, bounded(a.text, maxLoggedName)))
		}
	}
	attrs = append(attrs, slog.String("source", bounded(string(out.Source), maxLoggedName)), slog.Duration("duration", out.Duration))
	if out.Err != nil {
		attrs = append(attrs, slog.String("error", bounded(textOf(out.Err), maxLoggedText)))
	}
	if stack := stackOf(out.Err); stack != nil {
		attrs = append(attrs, slog.String("stack", bounded(string(stack), maxLoggedStack)))
	}
	rep.log(ctx, level, message, attrs...)
}

// misfits logs, at most once a second, which fields of an event are zero because
// their value did not fit.
func (rep *reporter) misfits(ctx context.Context, of *about, fields []string) {
	now, last := time.Now().Unix(), rep.misfit.Load()
	if now == last || !rep.misfit.CompareAndSwap(last, now) {
		return
	}
	rep.log(ctx, slog.LevelWarn, "fields did not fit and are zero",
		slog.String("type", bounded(string(of.typ), maxLoggedName)), slog.String("delivery", bounded(of.id, maxLoggedName)),
		slog.String("fields", bounded(fmt.Sprint(fields), maxLoggedText)))
}

// unnamed logs, at most once a second, that a delivery which names no project was
// refused although there are projects.
func (rep *reporter) unnamed() {
	now, last := time.Now().Unix(), rep.nameless.Load()
	if now == last || !rep.nameless.CompareAndSwap(last, now) {
		return
	}
	rep.log(context.Background(), slog.LevelError, "a delivery that names no project was refused: "+
		"if it is genuine, name the project in the URL, as in /webhooks/sonzai/{project}/{event}")
}

func (rep *reporter) storeFull(capacity int64, evicted uint64) {
	rep.log(context.Background(), slog.LevelWarn, "memory store is full, copies of old deliveries may run again",
		slog.Int64("capacity", capacity), slog.Uint64("evicted", evicted))
}

// observe calls every observer, even if some of them panic.
func (rep *reporter) observe(ctx context.Context, observers []func(context.Context, Outcome), out *Outcome) {
	for _, observer := range observers {
		func() {
			defer func() {
				if v := recover(); v != nil {
					rep.log(ctx, slog.LevelError, "observer panicked", slog.String("panic", bounded(once.PanicText(v), maxLoggedText)))
				}
			}()
			observer(ctx, *out)
		}()
	}
}

func stackOf(err error) (stack []byte) {
	defer func() { _ = recover() }()
	var p *panicError
	if errors.As(err, &p) {
		return p.stack
	}
	return nil
}
