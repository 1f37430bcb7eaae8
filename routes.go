package sonzaihook

import (
	"context"
	"maps"
	"slices"

	"github.com/sonzaihook/sonzaihook/internal/snapshot"
)

// Handler handles one authentic delivery. Middleware is made of it.
type Handler func(ctx context.Context, d *Delivery) error

// route is what happens to the deliveries of one type. It does not change, because
// deliveries run through it.
type route struct {
	decoders  []*decoder
	callbacks []callback
}

// callback is one registered function, and which of its route's decoders makes its
// event.
type callback struct {
	decoder int
	run     func(ctx context.Context, event anyEvent) error
}

// with returns a route with one more callback. Callbacks of the same T share a
// decoder.
func (rt *route) with(d *decoder, run func(context.Context, anyEvent) error) *route {
	next := &route{decoders: slices.Clone(rt.decoders), callbacks: slices.Clone(rt.callbacks)}
	at := slices.IndexFunc(next.decoders, func(other *decoder) bool { return other.typ == d.typ })
	if at < 0 {
		at = len(next.decoders)
		next.decoders = append(next.decoders, d)
	}
	next.callbacks = append(next.callbacks, callback{decoder: at, run: run})
	return next
}

// noRoute is of a type that no callback takes. Its deliveries are decoded all the
// same, so that what is refused does not depend on what is registered.
var noRoute = &route{}

// routeTable is everything that was registered, as one delivery sees it. It does
// not change.
type routeTable struct {
	byType     map[EventType]*route // AnyEvent: whatever no other takes
	middleware []*link              // the outermost first
	deadLetter []func(context.Context, *Delivery, error) error
	callbacks  Handler // inside of all middleware
}

// find returns the route of a type.
func (t *routeTable) find(typ EventType) *route {
	if rt := t.byType[typ]; rt != nil {
		return rt
	}
	if rt := t.byType[AnyEvent]; rt != nil {
		return rt
	}
	return noRoute
}

// clone returns a table to be edited.
func (t *routeTable) clone() *routeTable {
	return &routeTable{
		byType: maps.Clone(t.byType), callbacks: t.callbacks,
		middleware: slices.Clone(t.middleware), deadLetter: slices.Clone(t.deadLetter),
	}
}

// handle calls the middleware from the given index on, and inside of it the
// callbacks.
func (t *routeTable) handle(ctx context.Context, d *Delivery, from int) error {
	if from < len(t.middleware) {
		return t.middleware[from].handler(ctx, d)
	}
	return t.callbacks(ctx, d)
}

// link is one piece of middleware in the chain. Its handler was made once; which
// handler comes next is found when it runs, because more may be registered later.
type link struct {
	handler Handler
	at      int
	routes  *snapshot.Of[routeTable]
}

// types returns the types that have a callback, sorted.
func (t *routeTable) types() []EventType {
	types := slices.Collect(maps.Keys(t.byType))
	types = slices.DeleteFunc(types, func(t EventType) bool { return t == AnyEvent })
	slices.Sort(types)
	return types
}
