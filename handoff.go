package sonzaihook

import (
	"context"
	"errors"
	"time"

	"github.com/sonzaihook/sonzaihook/internal/once"
	"github.com/sonzaihook/sonzaihook/internal/usercode"
)

// handOffTimeout bounds one call of the function of WithHandOff.
const handOffTimeout = 5 * time.Second

// handsOff reports whether a delivery goes to the queue. One that comes from a queue,
// or from a worker that does not set the Source, is run: otherwise it would be queued
// again and again.
func (s *settings) handsOff(d *Delivery) bool {
	return s.handOff != nil && d.Source != SourceBroker && d.Source != ""
}

// handOff calls the function of WithHandOff, detached from the client's connection.
// It returns the error of a shutdown, one that the function called Permanent, or one
// that wraps ErrQueueUnavailable.
func handOff(ctx context.Context, runner *once.Runner, enqueue func(context.Context, *Delivery) error, d *Delivery) error {
	result := errGoexit // stays if the function ends the goroutine
	err := runner.Aside(ctx, handOffTimeout, func(ctx context.Context) {
		defer func() {
			if v := recover(); v != nil {
				result = usercode.Recovered(v)
			}
		}()
		result = enqueue(ctx, d)
	})
	if errors.Is(err, ErrShuttingDown) {
		return err
	}
	if err == nil {
		err = result
	}
	if err == nil || callbackEnding(err).row == rejected {
		return err
	}
	return usercode.Because(ErrQueueUnavailable, usercode.Text(err), err)
}

type runTimeoutKey struct{}

// ContextWithTimeout returns a context under which [Receiver.Dispatch] lets the
// callbacks run for d instead of the time of [WithHandlerTimeout]; zero sets no
// limit. It is for a queue's workers, whose callbacks may take longer than the
// platform waits for an answer.
func ContextWithTimeout(ctx context.Context, d time.Duration) context.Context {
	return context.WithValue(ctx, runTimeoutKey{}, max(d, 0))
}

// timeout returns how long the callbacks of a delivery may run.
func (s *settings) timeout(ctx context.Context, source Source) time.Duration {
	if source != SourceWebhook {
		if d, ok := ctx.Value(runTimeoutKey{}).(time.Duration); ok {
			return min(d, once.Forever)
		}
	}
	return s.handlerTimeout
}
