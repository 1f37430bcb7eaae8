// Package httphook mounts a receiver in net/http and in every router that serves
// http.Handlers, chi and gorilla/mux among them.
//
//	mux.Handle("/webhooks/sonzai/{event}", httphook.Handler(hooks))
//
// A receiver is an http.Handler itself and may be mounted as it is. [Handler]
// adds two things: a project in the path is found also where the router leaves it
// escaped, and a consumed body is reported with the usual culprits of net/http.
//
// [Verify] authenticates and leaves the rest to the caller's handler.
//
// The path parameter "project" names the project whose secrets are tried first
// ("/webhooks/sonzai/{project}/{event}"). Other parameters are for people to read: a
// path is not signed, so it names no event type, and the project only picks secrets.
// net/http and chi keep the parameters in the request, where the receiver looks.
// gorilla/mux keeps them to itself; there use [PathValues](mux.Vars).
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
// It is needed only where the path has a parameter "project". vars is called once
// for each request, concurrently.
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
	if req.Body != nil {
		req.Body = body{req.Body, pathValue(req, "project")}
	}
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
	project string
}

// ConsumedHint is what the receiver adds to its report of a consumed body.
func (body) ConsumedHint() string {
	return "in net/http it is usually middleware that logs or audits requests, with io.ReadAll or a json.Decoder " +
		"on r.Body, or httputil.DumpRequest in another handler; mount the receiver outside of it, or have it set " +
		"r.Body = io.NopCloser(bytes.NewReader(data)) after reading"
}

// PathProject is the project in the path, for the receiver.
func (b body) PathProject() string { return b.project }
