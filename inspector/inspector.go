// Package inspector shows in a browser what a receiver takes: a live list of
// deliveries, each as a readable event, as a tree and as raw bytes, what is wrong
// with its signature and how to mend that, and the answer that the platform gets.
// From the page a delivery can be replayed and a sample of each documented type
// can be sent.
//
//	page := inspector.New(hooks, inspector.WithSecrets(secrets))
//	mux.Handle("POST /webhooks/sonzai", page.Capture(hooks))
//	mux.Handle("/inspector/", page.Handler())
//
// It is a tool for development: bodies are personal data, and it keeps the newest
// in memory. Only clients on the loopback interface see the page, and none that
// come through a proxy, where everybody has a loopback address; [WithAuthorize]
// changes that. Signatures, Authorization values and secrets are never shown.
//
// The way of a delivery through this package:
//
//	capture.go   keeps the request and the answer, and joins the receiver's outcome
//	tap.go       keeps a body while the receiver reads it
//	transport.go keeps what is sent instead
//	ring.go      holds the newest, those that were refused apart
//	live.go      tells the open pages, which can never make a delivery wait
//	guard.go     who may look, and with what headers a page is answered
//	proxy.go     what gives a proxy away
//	routes.go    the requests of the page
//	list.go, show.go, readable.go, tree.go, visible.go   what a page shows
//	queue.go     where a delivery stands that was handed off
//	misfit.go    which fields did not fit the struct of their type
//	explain.go   what the answer means, and what is wrong with a signature
//	secrets.go   which secrets may have signed, and taking them out of texts
//	replay.go, samples.go, deliver.go, faults.go   what a page can do
package inspector

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// Inspector keeps what a receiver took and serves the page that shows it. Make one
// with [New]. It is safe for concurrent use.
type Inspector struct {
	*settings

	hooks    *sonzaihook.Receiver
	decoder  *sonzaihook.Receiver // see misfit
	instance string               // what the positions of its streams begin with
	changing sync.Mutex           // serialises changes of known
	known    atomic.Pointer[known]
	hide     atomic.Pointer[strings.Replacer] // takes secrets out of texts
	target   atomic.Pointer[capture]          // the newest Capture, where samples go
	path     atomic.Pointer[string]           // the path of the newest delivery that was handled
	shelf    *shelf
	flying   atomic.Int64 // bytes of bodies that are being received
	live     live
	explains chan struct{} // how many signatures are explained at a time
	page     http.Handler
}

// New returns an inspector of a receiver, and adds an observer to it. hooks may be
// nil where there is none, as beside a simulated platform: then the page shows what
// [Inspector.Transport] sends. New panics, with an error that wraps
// sonzaihook.ErrInvalidOption, for an option with an impossible value.
func New(hooks *sonzaihook.Receiver, options ...Option) *Inspector {
	s := newSettings(options)
	i := &Inspector{
		settings: s, hooks: hooks, decoder: newDecoder(), instance: rand.Text(),
		shelf: newShelf(s.deliveries, s.bytes), explains: make(chan struct{}, 2),
	}
	i.live.start(i)
	i.known.Store(&known{})
	i.SetSecrets(s.secrets)
	i.page = i.guarded(i.routes())
	if hooks != nil {
		hooks.Observe(i.observe)
	}
	return i
}

// Handler returns the page. It may be mounted below any prefix, with or without
// http.StripPrefix, where the prefix ends with a slash.
func (i *Inspector) Handler() http.Handler { return i.page }

// Close ends the streams of the pages that are open, for which
// http.Server.Shutdown would wait: server.RegisterOnShutdown(page.Close). Deliveries are
// captured as before.
func (i *Inspector) Close() { i.live.close() }

// Format prints the inspector without what it holds, whatever the verb.
func (i *Inspector) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "inspector.Inspector") }

// observe joins an outcome with the request that it is of, by a value in the
// context.
func (i *Inspector) observe(ctx context.Context, out sonzaihook.Outcome) {
	if p, ok := ctx.Value(pendingKey{}).(*pending); ok && p.inspector == i && p.expects(out.Source) {
		p.join(&out)
		return
	}
	result := newResult(&out)
	i.keep(&record{
		at: i.time().Add(-out.Duration), took: out.Duration, origin: dispatched,
		out: result, status: result.status, facts: new(facts),
	})
}

// keep puts a record where the pages find it.
func (i *Inspector) keep(r *record) uint64 {
	seq := i.shelf.add(r)
	i.live.wake()
	return seq
}

func (i *Inspector) time() time.Time {
	if i.now == nil {
		return time.Now()
	}
	return i.now()
}
