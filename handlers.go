package sonzaihook

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// OnMessage registers a callback for [EventMessage]; see [On] for what all
// callbacks have in common.
func (r *Receiver) OnMessage(fn func(context.Context, *MessageEvent) error) {
	register(r, EventMessage, byName[string(EventMessage)].decoder, fn)
}

// OnMoodChange registers a callback for [EventMoodChange]; see [On].
func (r *Receiver) OnMoodChange(fn func(context.Context, *MoodChangeEvent) error) {
	register(r, EventMoodChange, byName[string(EventMoodChange)].decoder, fn)
}

// OnMemoryAdded registers a callback for [EventMemoryAdded]; see [On].
func (r *Receiver) OnMemoryAdded(fn func(context.Context, *MemoryAddedEvent) error) {
	register(r, EventMemoryAdded, byName[string(EventMemoryAdded)].decoder, fn)
}

// OnBreakthrough registers a callback for [EventBreakthrough]; see [On].
func (r *Receiver) OnBreakthrough(fn func(context.Context, *BreakthroughEvent) error) {
	register(r, EventBreakthrough, byName[string(EventBreakthrough)].decoder, fn)
}

// OnWakeup registers a callback for [EventWakeup]; see [On].
func (r *Receiver) OnWakeup(fn func(context.Context, *WakeupEvent) error) {
	register(r, EventWakeup, byName[string(EventWakeup)].decoder, fn)
}

// OnConsolidation registers a callback for [EventConsolidation]; see [On].
func (r *Receiver) OnConsolidation(fn func(context.Context, *ConsolidationEvent) error) {
	register(r, EventConsolidation, byName[string(EventConsolidation)].decoder, fn)
}

// On registers a callback for events of type t with a payload of any type T: a
// struct, a map, or json.RawMessage. A wire name of a documented type means that
// type.
//
// Several callbacks of one type run one after the other in the order of their
// registration; the first error ends the run. A nil error is answered 200. An
// error is answered 500 and the platform tries again, with all callbacks of the
// type; [Permanent], [RetryAfter], [Ignore] and [Queued] say otherwise. A panic
// is recovered and answered 500.
//
// The context carries the values of the request's context but not its end: a
// client that disconnects does not stop a callback. It ends after
// [WithHandlerTimeout].
//
// Callbacks run concurrently, one goroutine for each delivery. Registering is
// safe at any time and takes effect with the next delivery. On panics if t is empty
// or [AnyEvent], or if fn is nil.
func On[T any](r *Receiver, t EventType, fn func(context.Context, *Event[T]) error) {
	register(r, t, decoderOf[T](canonical(t)), fn)
}

// OnOther registers a callback for the deliveries of every type for which there
// is no callback. Data is the value under "data" or "payload", else the body.
func (r *Receiver) OnOther(fn func(context.Context, *Event[json.RawMessage]) error) {
	register(r, AnyEvent, rawDecoder, fn)
}

// OnDeadLetter registers a function for authentic deliveries that are about to
// get a final 4xx: what could not be decoded, what the [Validator] refused, and
// what a callback called [Permanent]. The error says why. It is the last place
// where the delivery can be kept. An error or a panic of fn turns the answer
// into a 500, so that the platform tries again and nothing is lost.
//
// A delivery that was dead-lettered is not marked as handled: a copy or a replay
// of it runs again. Several functions run in the order of their registration.
func (r *Receiver) OnDeadLetter(fn func(context.Context, *Delivery, error) error) {
	if fn == nil {
		panic("sonzaihook: OnDeadLetter with a nil function")
	}
	r.change(func(next *routeTable) { next.deadLetter = append(next.deadLetter, fn) })
}

// DeadLetter offers a delivery to the functions of [Receiver.OnDeadLetter], in
// the order of their registration. A queue's worker calls it when it gives up, with
// the reason. It returns nil if all of them kept the delivery, [ErrNoDeadLetter] if
// there is none, or the first error; a panic is an error that wraps [ErrPanicked].
// The context should have a deadline: DeadLetter sets none.
func (r *Receiver) DeadLetter(ctx context.Context, d *Delivery, why error) error {
	keep := r.routes.Load().deadLetter
	if len(keep) == 0 {
		return ErrNoDeadLetter
	}
	for _, fn := range keep {
		if err := keepOne(ctx, fn, d, why); err != nil {
			return err
		}
	}
	return nil
}

// Use wraps middleware around the callbacks. It runs after a delivery is
// authenticated, decoded and claimed, under the same deadline and recovery as
// the callbacks, and only where there are callbacks. The first one registered
// is the outermost. What middleware returns counts as the result of the callbacks,
// also where it does not call next. It may pass on a delivery with another Body,
// which is then decoded again.
//
// middleware is called once, before Use returns, and may itself register callbacks
// and middleware. Use panics if it, or the handler that it returns, is nil.
func (r *Receiver) Use(middleware func(next Handler) Handler) {
	if middleware == nil {
		panic("sonzaihook: Use with a nil middleware")
	}
	l := &link{routes: &r.routes}
	if l.handler = middleware(l.next); l.handler == nil {
		panic("sonzaihook: Use with a middleware that returns a nil handler")
	}
	r.change(func(next *routeTable) {
		l.at = len(next.middleware)
		next.middleware = append(next.middleware, l)
	})
}

// Observe adds an observer to an existing receiver, see [WithObserver]. It takes
// effect with the next outcome. It panics if observer is nil.
func (r *Receiver) Observe(observer func(context.Context, Outcome)) {
	if observer == nil {
		panic("sonzaihook: Observe with a nil function")
	}
	r.observers.Change(func(now *[]func(context.Context, Outcome)) *[]func(context.Context, Outcome) {
		next := append(slices.Clone(*now), observer)
		return &next
	})
}

// change edits what is registered. Deliveries that arrive later see the change.
func (r *Receiver) change(edit func(next *routeTable)) {
	r.routes.Change(func(now *routeTable) *routeTable {
		next := now.clone()
		edit(next)
		return next
	})
}

// decoderOf returns the decoder of a T: that of the type's row if T is its struct.
func decoderOf[T any](t EventType) *decoder {
	if row := byName[string(t)]; row != nil && row.decoder.typ == reflect.TypeFor[T]() {
		return row.decoder
	}
	if reflect.TypeFor[T]() == rawDecoder.typ {
		return rawDecoder
	}
	return newCustomDecoder[T]()
}

func register[T any](r *Receiver, t EventType, d *decoder, fn func(context.Context, *Event[T]) error) {
	if fn == nil {
		panic(fmt.Sprintf("sonzaihook: nil callback for event type %q", t))
	}
	t = canonical(t)
	if t == "" || t == AnyEvent && d != rawDecoder {
		panic(fmt.Sprintf("sonzaihook: %q is not an event type, use OnOther for all the others", t))
	}
	run := func(ctx context.Context, event anyEvent) error { return fn(ctx, event.(*Event[T])) }
	r.change(func(next *routeTable) {
		rt := next.byType[t]
		if rt == nil {
			rt = noRoute
		}
		next.byType[t] = rt.with(d, run)
	})
}
