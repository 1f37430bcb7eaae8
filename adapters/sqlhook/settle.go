package sqlhook

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

func (w *workers) bury(ctx context.Context, t *taken, reason string) {
	w.q.store.logger.WarnContext(ctx, "sqlhook: delivery kept as dead", "queue", string(w.q.name), "row", t.seq, "reason", reason)
	w.settle(ctx, t, func(ctx context.Context, on querier) (int64, error) { return w.q.bury(ctx, on, t, bounded(reason)) })
}

func (w *workers) postpone(ctx context.Context, t *taken, after time.Duration, counts bool, reason string) {
	w.settle(ctx, t, func(ctx context.Context, on querier) (int64, error) {
		return w.q.postpone(ctx, on, t, after, counts, bounded(reason))
	})
}

// leave deletes the row of a delivery that is done, if it is still there: CommitTx
// may have deleted it.
func (w *workers) leave(ctx context.Context, t *taken) {
	t.free()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	w.dropClaim(ctx, t)
	if err := w.q.leave(ctx, t); err != nil {
		w.warnUnsettled(ctx, t, err)
	}
}

// settle changes a row that the worker has. If it cannot, the row is due again when
// its lease ends, and the claim says what became of the delivery.
func (w *workers) settle(ctx context.Context, t *taken, change func(context.Context, querier) (int64, error)) {
	t.free()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	w.dropClaim(ctx, t)
	var changed int64
	err := w.q.store.write(ctx, "settle", func(ctx context.Context, on querier) error {
		var err error
		changed, err = change(ctx, on)
		return err
	})
	if err == nil && changed == 0 {
		err = sonzaihook.ErrLeaseLost
	}
	if err != nil {
		w.warnUnsettled(ctx, t, err)
	}
}

func (w *workers) warnUnsettled(ctx context.Context, t *taken, err error) {
	w.q.store.logger.WarnContext(ctx, "sqlhook: row of a queue not settled, it runs again when its lease ends", "queue", string(w.q.name), "row", t.seq, "error", err)
}

// dropClaim gives up the claim that was made when the row was taken, if the receiver
// never asked for it.
func (w *workers) dropClaim(ctx context.Context, t *taken) {
	if !t.unused() {
		return
	}
	p := w.q.store.params(t.id, string(t.token), 0)
	err := w.q.store.write(ctx, "release", func(ctx context.Context, on querier) error {
		_, err := exec(ctx, on, w.q.store.statements.Release, p)
		return err
	})
	if err != nil {
		w.q.store.logger.WarnContext(ctx, "sqlhook: claim of a row not released, it waits for the lease to end", "queue", string(w.q.name), "row", t.seq, "error", err)
	}
}

// keep renews the lease of a row until ctx ends.
func (w *workers) keep(ctx context.Context, t *taken) {
	tick := time.NewTicker(w.q.lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !t.renews() {
			continue
		}
		inner, cancel := context.WithTimeout(ctx, w.q.lease/3)
		err := w.q.store.write(inner, "renew", func(ctx context.Context, on querier) error {
			_, err := w.q.renew(ctx, on, t)
			return err
		})
		cancel()
		if err != nil && ctx.Err() == nil {
			w.q.store.logger.WarnContext(ctx, "sqlhook: lease of a row not renewed", "queue", string(w.q.name), "row", t.seq, "error", err)
		}
	}
}

// maxReason bounds what is stored of an error, in bytes.
const maxReason = 500

func reasonOf(out sonzaihook.Outcome) string {
	if out.Err == nil {
		return out.Code
	}
	return out.Code + ": " + textOf(out.Err)
}

// textOf returns the text of an error of user code, which may panic.
func textOf(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("%T", err)
		}
	}()
	return bounded(err.Error())
}

// bounded returns text that every database takes.
func bounded(text string) string {
	if len(text) > maxReason {
		text = text[:maxReason]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", " ")
}
