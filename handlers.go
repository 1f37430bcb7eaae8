package sonzaihook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Handler handles one authentic delivery. Middleware is made of it.
type Handler func(ctx context.Context, d *Delivery) error

// OnMessage registers a callback for [EventMessage]; see [On] for what all
// callbacks have in common.
func (r *Receiver) OnMessage(fn func(context.Context, *MessageEvent) error) {
	register(r, EventMessage, messageShape, fn)
}

// OnMoodChange registers a callback for [EventMoodChange]; see [On].
func (r *Receiver) OnMoodChange(fn func(context.Context, *MoodChangeEvent) error) {
	register(r, EventMoodChange, moodChangeShape, fn)
}

// OnMemoryAdded registers a callback for [EventMemoryAdded]; see [On].
func (r *Receiver) OnMemoryAdded(fn func(context.Context, *MemoryAddedEvent) error) {
	register(r, EventMemoryAdded, memoryAddedShape, fn)
}

// OnBreakthrough registers a callback for [EventBreakthrough]; see [On].
func (r *Receiver) OnBreakthrough(fn func(context.Context, *BreakthroughEvent) error) {
	register(r, EventBreakthrough, breakthroughShape, fn)
}

// OnWakeup registers a callback for [EventWakeup]; see [On].
func (r *Receiver) OnWakeup(fn func(context.Context, *WakeupEvent) error) {
	register(r, EventWakeup, wakeupShape, fn)
}

// OnConsolidation registers a callback for [EventConsolidation]; see [On].
func (r *Receiver) OnConsolidation(fn func(context.Context, *ConsolidationEvent) error) {
	register(r, EventConsolidation, consolidationShape, fn)
}

// On registers a callback for events of type t with a payload of the caller's
// own type T: a struct, a map, or json.RawMessage. A wire name of a documented
// type stands for that type.
//
// Several callbacks of one type run one after the other in the order of their
// registration; the first error ends the run. A nil error is answered 200. An
// error is answered 500 and the platform tries again, with all callbacks of the
// type; [Permanent], [RetryAfter], [Ignore] and [Queued] say otherwise. A panic
// is recovered and answered 500.
//
// The context carries the values of the request's context but not its end: a
// client that goes away does not stop a callback. It ends after
// [WithHandlerTimeout].
//
// Callbacks run concurrently, one goroutine for each delivery. Registering is
// safe at any time and counts from the next delivery on. On panics if t is empty
// or [AnyEvent], or if fn is nil.
func On[T any](r *Receiver, t EventType, fn func(context.Context, *Event[T]) error) {
	register(r, t, newShape[T](), fn)
}

// OnOther registers a callback for the deliveries of every type for which there
// is no callback. Data is what stands under "data" or "payload", else the body.
func (r *Receiver) OnOther(fn func(context.Context, *Event[json.RawMessage]) error) {
	register(r, AnyEvent, rawShape, fn)
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
	r.routes.change(func(next *routeTable) { next.deadLetter = append(next.deadLetter, fn) })
}

// Use wraps middleware round the callbacks. It runs after a delivery is
// authenticated, decoded and claimed, under the same deadline and recovery as
// the callbacks, and only where there are callbacks. The first one registered
// is the outermost. Middleware that does not call next answers for it: its error
// or nil counts as the callbacks'.
func (r *Receiver) Use(middleware func(next Handler) Handler) {
	if middleware == nil {
		panic("sonzaihook: Use with a nil middleware")
	}
	r.routes.change(func(next *routeTable) { next.middleware = append(next.middleware, middleware) })
}

// Types returns the event types for which there is a callback, sorted. The
// types that only [Receiver.OnOther] takes are not among them.
func (r *Receiver) Types() []EventType {
	types := slices.Collect(maps.Keys(r.routes.table.Load().byType))
	types = slices.DeleteFunc(types, func(t EventType) bool { return t == AnyEvent })
	slices.Sort(types)
	return types
}

// The shapes of the documented payloads, shared by all receivers.
var (
	messageShape       = newShape[Message]()
	moodChangeShape    = newShape[MoodChange]()
	memoryAddedShape   = newShape[MemoryAdded]()
	breakthroughShape  = newShape[Breakthrough]()
	wakeupShape        = newShape[Wakeup]()
	consolidationShape = newShape[Consolidation]()
	rawShape           = newShape[json.RawMessage]()
)

// route is what happens to the deliveries of one type.
type route struct {
	shapes    []*shape
	callbacks []callback
}

// callback is one registered function and which of its route's shapes it takes.
type callback struct {
	shape int
	run   func(ctx context.Context, event placed) error
}

// with returns a route with one more callback. Routes do not change, because
// deliveries run through them.
func (rt *route) with(s *shape, run func(context.Context, placed) error) *route {
	next := &route{}
	if rt != nil {
		next.shapes, next.callbacks = slices.Clone(rt.shapes), slices.Clone(rt.callbacks)
	}
	at := slices.IndexFunc(next.shapes, func(other *shape) bool { return other.typ == s.typ })
	if at < 0 {
		at = len(next.shapes)
		next.shapes = append(next.shapes, s)
	}
	next.callbacks = append(next.callbacks, callback{shape: at, run: run})
	return next
}

// routeTable is everything that was registered, as one delivery sees it.
type routeTable struct {
	byType     map[EventType]*route // AnyEvent: whatever no other takes
	middleware []func(Handler) Handler
	deadLetter []func(context.Context, *Delivery, error) error
	chain      Handler // the callbacks inside of the middleware
}

// find returns the route of a type, or nil.
func (t *routeTable) find(typ EventType) *route {
	if rt := t.byType[typ]; rt != nil {
		return rt
	}
	return t.byType[AnyEvent]
}

// routing holds the current table. A change replaces it whole.
type routing struct {
	mu    sync.Mutex
	table atomic.Pointer[routeTable]
	run   Handler // what stands innermost in every chain
}

func (rs *routing) change(edit func(next *routeTable)) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	next := &routeTable{byType: map[EventType]*route{}}
	if now := rs.table.Load(); now != nil {
		*next = routeTable{
			byType:     make(map[EventType]*route, len(now.byType)+1),
			middleware: slices.Clone(now.middleware),
			deadLetter: slices.Clone(now.deadLetter),
		}
		for t, rt := range now.byType {
			next.byType[t] = rt
		}
	}
	edit(next)
	next.chain = rs.run
	for _, middleware := range slices.Backward(next.middleware) {
		next.chain = middleware(next.chain)
	}
	rs.table.Store(next)
}

func register[T any](r *Receiver, t EventType, s *shape, fn func(context.Context, *Event[T]) error) {
	if fn == nil {
		panic(fmt.Sprintf("sonzaihook: nil callback for event type %q", t))
	}
	t = canonical(t)
	if t == "" || (t == AnyEvent && s.typ != reflect.TypeFor[json.RawMessage]()) {
		panic(fmt.Sprintf("sonzaihook: %q is not an event type, use OnOther for all the others", t))
	}
	run := func(ctx context.Context, event placed) error { return fn(ctx, event.(*Event[T])) }
	r.routes.change(func(next *routeTable) { next.byType[t] = next.byType[t].with(s, run) })
}

// verdict is an error by which a callback chooses the answer.
type verdict struct {
	answer *answer
	err    error
	after  time.Duration
}

func (v *verdict) Error() string { return v.err.Error() }
func (v *verdict) Unwrap() error { return v.err }

// Permanent marks an error that no retry will mend. The answer is 422, the
// platform stops, and [Receiver.OnDeadLetter] is asked first.
func Permanent(err error) error {
	return &verdict{answer: rejected, err: orElse(err, "sonzaihook: rejected by a callback")}
}

// RetryAfter marks an error that a retry after d may mend. The answer is 503
// with a Retry-After of d in whole seconds, rounded up, at least one. Whether the
// platform heeds the header is not known.
func RetryAfter(err error, d time.Duration) error {
	return &verdict{answer: retryLater, err: orElse(err, "sonzaihook: retry later"), after: max(d, time.Second)}
}

// Ignore ends a run without an error: the answer is 200 and the delivery counts
// as handled. The reason goes to the observer and, at debug level, to the log.
func Ignore(reason string) error {
	return &verdict{answer: ignored, err: errors.New("sonzaihook: ignored: " + reason)}
}

// Queued ends a run without an error: a broker has confirmed the delivery and
// somebody else will handle it. The answer is 202 and it counts as handled.
func Queued() error { return &verdict{answer: queued, err: errQueued} }

var errQueued = errors.New("sonzaihook: queued")

func orElse(err error, text string) error {
	if err == nil {
		return errors.New(text)
	}
	return err
}
