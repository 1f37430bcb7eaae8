// Package watermillhook puts a message broker between a delivery and its
// callbacks, any broker that Watermill speaks: NATS JetStream, RabbitMQ, Redis
// Streams, Kafka and others.
//
// Where deliveries arrive:
//
//	front, err := sonzaihook.New(secrets,
//		sonzaihook.WithHandOff(watermillhook.Publish(publisher, "sonzai")))
//
// Where they run, in the same process or in others:
//
//	worker, err := sonzaihook.New(secrets, sonzaihook.WithStore(store))
//	worker.OnMessage(…)
//	worker.OnDeadLetter(…)
//	router.AddConsumerHandler("sonzai", "sonzai", subscriber, watermillhook.Handler(worker))
//
// The platform is answered 202 when the publisher returns, so the publisher must
// return only when the broker has stored the message; docs/brokers.md has the
// settings for each broker. A broker hands out a message at least once, and the
// worker's claim in its Store makes one run of it: the workers of one topic share one
// Store.
//
// # What travels
//
// The payload is the signed body, byte for byte. The metadata has the identity, the
// type, the name on the wire, the project, the source, the times of the signature
// and of the arrival, the trace context and the version of the format. The
// signature and the Authorization header never travel: who can write to the topic
// is trusted.
//
// # When a run fails
//
// [Handler] decides by itself, so put no poison queue and no Retry middleware round
// it. What a worker cannot run now it gives back after a few seconds, because
// brokers have no delayed nack: after a callback's error up to 15 times, after
// [sonzaihook.RetryAfter] for three days. Then it calls
// [sonzaihook.Receiver.DeadLetter], and acknowledges the message only if that has
// kept the delivery. Attempts are counted in the process, so a restart begins anew,
// and a message that waits holds up its partition or its place among those that the
// subscriber has fetched. [WithRepublish] does both better: it sends the message
// behind the others, with its attempt and the time when it is due.
package watermillhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/sonzaihook/sonzaihook"
)

// Publish returns a function for sonzaihook.WithHandOff that publishes each delivery
// as one message on the topic. It returns the publisher's error, which the receiver
// answers with 503. The message's UUID is a digest of the identity, so a broker that
// drops equal ids (JetStream's duplicate window) drops copies: leave that off if you
// replay, because it also drops the replay of what was dead-lettered a moment ago.
//
// Publish panics if the publisher is nil or the topic is empty.
func Publish(publisher message.Publisher, topic string) func(context.Context, *sonzaihook.Delivery) error {
	if publisher == nil || topic == "" {
		panic(fmt.Errorf("watermillhook: %w: Publish needs a publisher and a topic", sonzaihook.ErrInvalidOption))
	}
	return func(ctx context.Context, d *sonzaihook.Delivery) error {
		if err := context.Cause(ctx); err != nil {
			return fmt.Errorf("watermillhook: publish: %w", err)
		}
		msg := pack(d, time.Now())
		inner, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		detach := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
		msg.SetContext(inner)
		if err := publisher.Publish(topic, msg); err != nil {
			cancel(err)
			return fmt.Errorf("watermillhook: publish: %w", err)
		}
		// A publisher in the process may hand the message's context on to the worker,
		// and the one of the hand-off ends now.
		detach()
		return nil
	}
}

// Handler returns a handler for a Watermill router, or for a loop of the caller's,
// that runs each message through the receiver: nil acknowledges it, an error gives
// it back. The errors wrap the outcome's and show only its code.
//
//	outcome of the run                          message
//	2xx                                         acknowledged
//	500                                         given back after the backoff; after the last attempt, or
//	                                            when it is too old, to the dead letter and acknowledged
//	503 retry_later (RetryAfter)                given back after that time, no attempt; too old as above
//	503 of another kind                         given back after a few seconds, no attempt
//	4xx                                         acknowledged if a dead letter function kept it, else given back
//	no callback for its type                    given back after a few seconds: another worker may have one
//	a format newer than this package            given back after a few seconds
//	the message's context has ended             given back at once, never to the dead letter
//
// A dead letter function is asked by the run that ends in a 4xx and may be asked
// once more for the same identity, as it may be when a process dies in between.
//
// Handler panics with an error that wraps sonzaihook.ErrInvalidOption if the
// receiver is nil or an option has an impossible value. The handler is safe for
// concurrent use.
func Handler(hooks *sonzaihook.Receiver, options ...Option) message.NoPublishHandlerFunc {
	w, err := newWorker(hooks, options)
	if err != nil {
		panic(err)
	}
	return w.handle
}

// worker runs messages. Only tries changes, and it has a lock.
type worker struct {
	hooks *sonzaihook.Receiver
	settings
	tries tries
}

func newWorker(hooks *sonzaihook.Receiver, options []Option) (*worker, error) {
	if hooks == nil {
		return nil, fmt.Errorf("watermillhook: %w: the receiver is nil", sonzaihook.ErrInvalidOption)
	}
	w := &worker{hooks: hooks, settings: defaults()}
	for _, option := range options {
		if option == nil {
			return nil, fmt.Errorf("watermillhook: %w: an option is nil", sonzaihook.ErrInvalidOption)
		}
		option(&w.settings)
	}
	return w, w.check()
}

// handle takes one message to its end: nil, or the reason to give it back.
func (w *worker) handle(msg *message.Message) error {
	ctx := msg.Context()
	if err := context.Cause(ctx); err != nil {
		return &nack{code: "context ended", err: err}
	}
	p, err := unpack(msg)
	if errors.Is(err, ErrNewerFormat) {
		return w.leave(ctx, w.maxWait, &nack{code: "newer format", err: err})
	}
	if p.received.IsZero() {
		p.received = w.tries.firstSeen(p.key(), w.now())
	}
	if err != nil {
		return w.giveUp(ctx, p, err)
	}
	if wait := p.due.Sub(w.now()); wait > 0 && !w.pause(ctx, wait) {
		if w.resend(ctx, p, p.due) {
			return nil
		}
		return &nack{code: "not due"}
	}
	return w.settle(ctx, p, w.hooks.Dispatch(ctx, p.delivery))
}

// settle does what an outcome asks for.
func (w *worker) settle(ctx context.Context, p *parcel, out sonzaihook.Outcome) error {
	why := &nack{code: out.Code, err: out.Err}
	after, again := out.Retry()
	switch {
	case out.Code == sonzaihook.CodeIgnored && out.Err == nil: // Ignore has a reason
		return w.later(ctx, p, w.maxWait, &nack{code: "no callback"})
	case out.Status < 300:
		w.tries.forget(p.key())
		return nil
	case ctx.Err() != nil, errors.Is(out.Err, context.Canceled):
		return w.leave(ctx, w.maxWait, why)
	case !again:
		return w.refused(ctx, p, out.Kept)
	case out.Code == sonzaihook.CodeRetryLater:
		if w.tooOld(p) {
			return w.giveUp(ctx, p, out.Err)
		}
		return w.later(ctx, p, after, why)
	case after > 0:
		return w.leave(ctx, after, why)
	}
	p.attempt = w.tries.failed(p.key(), p.attempt, w.now())
	if p.attempt >= w.maxAttempts || w.tooOld(p) {
		return w.giveUp(ctx, p, out.Err)
	}
	return w.later(ctx, p, w.backoff(p.attempt), why)
}

// refused acknowledges a delivery that no retry will mend if it was kept.
func (w *worker) refused(ctx context.Context, p *parcel, kept bool) error {
	if !kept {
		return w.unkept(ctx, p, sonzaihook.ErrNoDeadLetter)
	}
	w.tries.forget(p.key())
	return nil
}

// giveUp acknowledges a delivery that will not be tried again, if it is kept.
func (w *worker) giveUp(ctx context.Context, p *parcel, why error) error {
	if err := w.deadLetter(ctx, p, why); err != nil {
		return w.unkept(ctx, p, err)
	}
	w.tries.forget(p.key())
	return nil
}

func (w *worker) deadLetter(ctx context.Context, p *parcel, why error) error {
	ctx, cancel := context.WithTimeout(ctx, deadLetterTimeout)
	defer cancel()
	return w.hooks.DeadLetter(ctx, p.delivery, why)
}

// unkept gives back a delivery that only the broker has.
func (w *worker) unkept(ctx context.Context, p *parcel, err error) error {
	w.logger.ErrorContext(ctx, "watermillhook: delivery given up but not kept, it stays with the broker",
		"type", string(p.delivery.Type), "delivery", p.delivery.ID, "error", err.Error())
	return w.later(ctx, p, w.backoff(max(p.attempt, 1)), &nack{code: "not kept", err: err})
}

func (w *worker) tooOld(p *parcel) bool { return w.now().Sub(p.received) > w.maxAge }

// later lets the delivery be tried again after a while: behind the others where it
// can be published again, else here.
func (w *worker) later(ctx context.Context, p *parcel, wait time.Duration, why *nack) error {
	if w.resend(ctx, p, w.now().Add(wait)) {
		return nil
	}
	w.pause(ctx, wait)
	return why
}

// resend publishes the delivery again, and reports whether the broker has it.
func (w *worker) resend(ctx context.Context, p *parcel, due time.Time) bool {
	if w.publisher == nil || ctx.Err() != nil {
		return false
	}
	if err := w.publisher.Publish(w.topic, p.again(due)); err != nil {
		w.logger.WarnContext(ctx, "watermillhook: delivery not published again, it is given back", "error", err.Error())
		return false
	}
	w.tries.forget(p.key())
	return true
}

// leave gives a message back as it is, after a wait.
func (w *worker) leave(ctx context.Context, wait time.Duration, why *nack) error {
	w.pause(ctx, wait)
	return why
}

// pause waits, but not longer than a message may be held up, and reports whether
// that was the whole wait. It ends early with the context.
func (w *worker) pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(min(wait, w.maxWait))
	defer timer.Stop()
	select {
	case <-timer.C:
		return wait <= w.maxWait
	case <-ctx.Done():
		return false
	}
}

// nack is why a message is given back. A router logs it, so it does not print the
// error of a callback, which may quote the body; the receiver has logged that.
type nack struct {
	code string
	err  error
}

func (e *nack) Error() string { return "watermillhook: message given back: " + e.code }
func (e *nack) Unwrap() error { return e.err }
