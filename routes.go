package sonzaihook

import (
	"context"
	"maps"
	"slices"

	"github.com/sonzaihook/sonzaihook/internal/snapshot"
)

// Handler handles one authentic delivery. Middleware takes one and returns another.
type Handler func(ctx context.Context, d *Delivery) error

// route is what happens to the deliveries of one type. It does not change, because
// deliveries run through it.
type route struct {
	decoders  []*decoder
	callbacks []callback
}

// callback is one registered function, and the index of its decoder in the route.
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

// noRoute is the route of a type without callbacks. Its deliveries are decoded too, so
// that which ones are refused does not depend on what is registered.
var noRoute = &route{}

// routeTable is everything that is registered when a delivery arrives. It does not
// change.
type routeTable struct {
	byType     map[EventType]*route // AnyEvent: types without a route
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

// handle calls the middleware, starting at the given index, and then the callbacks.
func (t *routeTable) handle(ctx context.Context, d *Delivery, from int) error {
	if from < len(t.middleware) {
		return t.middleware[from].handler(ctx, d)
	}
	return t.callbacks(ctx, d)
}

// link is one middleware of the chain. Its handler is made once; the next handler is
// looked up when it runs, because more middleware may be registered later.
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
