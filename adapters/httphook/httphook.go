// Package httphook mounts a receiver in net/http and in every router that serves
// http.Handlers, chi and gorilla/mux among them.
//
//	mux.Handle("/webhooks/sonzai/{event}", httphook.Handler(hooks))
//
// A receiver is an http.Handler itself and may be mounted as it is. [Handler]
// adds two things: an event type and a project in the path are found with every
// router, and a consumed body is reported with the usual culprits of net/http.
//
// [Verify] authenticates and leaves the rest to the caller's handler.
//
// Path parameters: "event" names the event type of a body that has none, and
// "project" the project whose secrets are tried first
// ("/webhooks/sonzai/{project}/{event}"). net/http and chi keep them in the request,
// where the receiver looks. gorilla/mux keeps them to itself; there the last segment
// of the path is taken for the event, and any parameter with
// [PathValues](mux.Vars). A path is not signed: the type in it counts only if the
// secret that verified the body belongs to that type alone, and the project only
// picks secrets.
//
// What differs from a receiver without a router:
//
//   - A route for POST alone ("POST /webhooks/sonzai") has other methods answered
//     by the router: 405 with the router's body. Without the method the receiver
//     answers.
//   - http.TimeoutHandler answers 503 with its message when its time is up. The
//     callback goes on and its claim is kept, so a copy is told to come again
//     until it has ended. To stop the callback use sonzaihook.WithHandlerTimeout,
//     and make it the shorter of the two.
//   - chi's Timeout only ends the request's context. The receiver goes on: what has
//     begun is finished and answered.
//   - net/http cleans paths and adds trailing slashes with a redirect, which ends
//     a delivery: register the path exactly as it is mounted.
package httphook

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"path"

	"github.com/sonzaihook/sonzaihook"
)

// Handler returns the receiver as a handler. Mount it for all methods, so that
// the receiver answers a wrong one as it does everywhere. It is safe for
// concurrent use.
func Handler(r *sonzaihook.Receiver) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		prepare(req)
		r.ServeHTTP(w, req)
	})
}

// Verify returns middleware that lets authentic deliveries through to the next
// handler, which finds the delivery with [Delivery] and can read the body again.
// It runs no callbacks and recognises no copies. What it refuses it answers as
// the receiver does, and next is not called.
func Verify(r *sonzaihook.Receiver) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			prepare(req)
			d, err := r.Verify(req)
			if err != nil {
				sonzaihook.Refusal(err).Respond(w)
				return
			}
			next.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), deliveryKey{}, d)))
		})
	}
}

// Delivery returns the delivery that [Verify] let through, from the context of
// the request. It returns false where Verify did not run.
func Delivery(ctx context.Context) (*sonzaihook.Delivery, bool) {
	d, ok := ctx.Value(deliveryKey{}).(*sonzaihook.Delivery)
	return d, ok
}

// PathValues returns middleware that copies the path parameters of a router that
// keeps them to itself into the request, where http.Request.PathValue finds them.
// For gorilla/mux:
//
//	router.Use(httphook.PathValues(mux.Vars))
//
// It is needed only where the path has a parameter "project", or "event" is not its
// last segment. vars is called once for each request, concurrently.
func PathValues(vars func(*http.Request) map[string]string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			for name, value := range vars(req) {
				req.SetPathValue(name, value)
			}
			next.ServeHTTP(w, req)
		})
	}
}

type deliveryKey struct{}

func prepare(req *http.Request) {
	if req.Body == nil {
		return
	}
	event := pathValue(req, "event")
	if event == "" {
		event = path.Base(req.URL.Path)
	}
	req.Body = body{req.Body, event, pathValue(req, "project")}
}

// pathValue returns a path value. chi leaves it escaped where the path was sent in
// another form than Go would write it.
func pathValue(req *http.Request, name string) string {
	value := req.PathValue(name)
	if req.URL.RawPath == "" {
		return value
	}
	if unescaped, err := url.PathUnescape(value); err == nil {
		return unescaped
	}
	return value
}

// body is a request's body that knows what the receiver cannot see.
type body struct {
	io.ReadCloser
	event, project string
}

// ConsumedHint is what the receiver adds to its report of a consumed body.
func (body) ConsumedHint() string {
	return "in net/http it is usually middleware that logs or audits requests, with io.ReadAll or a json.Decoder " +
		"on r.Body, or httputil.DumpRequest in another handler; mount the receiver outside of it, or have it set " +
		"r.Body = io.NopCloser(bytes.NewReader(data)) after reading"
}

// PathEvent is the event type in the path, for the receiver.
func (b body) PathEvent() string { return b.event }

// PathProject is the project in the path, for the receiver.
func (b body) PathProject() string { return b.project }
