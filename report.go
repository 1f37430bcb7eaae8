package sonzaihook

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Who is told what became of a delivery: the log and the observer, in full.

// about adds to an outcome which delivery it is about, which only an authentic
// one may say.
func about(d *Delivery, out Outcome) Outcome {
	out.Source, out.SignedAt = d.Source, d.SignedAt
	if out.Code != CodeUnauthorized {
		out.Type, out.DeliveryID, out.Project = d.Type, d.ID, d.Project
		out.Retiring = d.proof.key != nil && !d.proof.key.until.IsZero()
	}
	return out
}

// close ends a delivery: it is timed, logged and observed.
func (r *Receiver) close(ctx context.Context, out Outcome, start time.Time) Outcome {
	out.Duration = r.now().Sub(start)
	r.log(ctx, &out)
	r.observe(ctx, out)
	return out
}

func (r *Receiver) observe(ctx context.Context, out Outcome) {
	for _, observer := range *r.observing.Load() {
		r.observeOne(ctx, observer, out)
	}
}

func (r *Receiver) observeOne(ctx context.Context, observer func(context.Context, Outcome), out Outcome) {
	defer func() {
		if v := recover(); v != nil {
			r.logger.ErrorContext(ctx, "sonzaihook: observer panicked", "panic", v)
		}
	}()
	observer(ctx, out)
}

func (r *Receiver) log(ctx context.Context, out *Outcome) {
	level, message := slog.LevelDebug, "sonzaihook: delivery handled"
	switch {
	case out.Status >= 500 && out.RetryAfter == 0:
		level, message = slog.LevelError, "sonzaihook: delivery failed"
	case out.Status >= 500:
		level, message = slog.LevelWarn, "sonzaihook: delivery put off"
	case out.Status >= 400:
		level, message = slog.LevelWarn, "sonzaihook: delivery refused"
	}
	if !r.logger.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.Int("status", out.Status), slog.String("code", out.Code)}
	if out.DeliveryID != "" {
		attrs = append(attrs, slog.String("type", string(out.Type)), slog.String("delivery", out.DeliveryID))
	}
	attrs = append(attrs, slog.String("source", string(out.Source)), slog.Duration("duration", out.Duration))
	if out.Err != nil {
		attrs = append(attrs, slog.String("error", out.Err.Error()))
	}
	var p *panicError
	if errors.As(out.Err, &p) {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	r.logger.LogAttrs(ctx, level, message, attrs...)
}

func (r *Receiver) warn(ctx context.Context, message string, d *Delivery, err error) {
	r.logger.LogAttrs(ctx, slog.LevelWarn, message,
		slog.String("type", string(d.Type)), slog.String("delivery", d.ID), slog.String("error", err.Error()))
}
