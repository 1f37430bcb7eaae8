// Package httphook mounts a receiver in net/http and in every router that is
// made of http.Handlers, chi and gorilla/mux among them.
//
//	mux.Handle("/webhooks/sonzai/{event}", httphook.Handler(hooks))
//
// A receiver is an http.Handler itself and may be mounted as it is. [Handler]
// adds two things: an event type that comes in the path is found whichever the
// router, and a consumed body is reported with the usual culprits of net/http.
//
// [Verify] authenticates and leaves the rest to a handler of the user's own.
//
// Path parameters: net/http and chi keep them in the request, where the receiver
// looks ("event"). gorilla/mux keeps them to itself; there the last segment of
// the path is taken, or any parameter with
// [PathValues](mux.Vars). A path is not signed: the type in it counts only for a
// body that has none, and only if the secret that verified the body belongs to
// that type alone.
//
// What differs from a receiver that stands alone, and cannot be helped:
//
//   - A route for POST alone ("POST /webhooks/sonzai") has other methods answered
//     by the router: 405 with a body of its own. Without the method the receiver
//     answers.
//   - http.TimeoutHandler answers 503 with its own body when its time is up. The
//     callback goes on and its claim is kept, so a copy is told to come again
//     until it has ended. To stop the callback use sonzaihook.WithHandlerTimeout,
//     and make it the shorter of the two.
//   - chi's Timeout only ends the request's context, which a receiver does not
//     heed: what has begun is finished and answered.
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
// It is needed only where the parameter "event" is not the last segment of the
// path. vars is called once for each request, concurrently.
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
		req.Body = body{req.Body, pathEvent(req)}
	}
}

// pathEvent returns the path value "event", unescaped, which chi leaves to others.
// Where the router gave none it is the last segment of the path.
func pathEvent(req *http.Request) string {
	event := req.PathValue("event")
	if event == "" {
		return path.Base(req.URL.Path)
	}
	if unescaped, err := url.PathUnescape(event); err == nil {
		return unescaped
	}
	return event
}

// body is a request's body that knows what the receiver cannot see.
type body struct {
	io.ReadCloser
	event string
}

// ConsumedHint is what the receiver adds to its report of a consumed body.
func (body) ConsumedHint() string {
	return "in net/http it is usually middleware that logs or audits requests, with io.ReadAll or a json.Decoder " +
		"on r.Body, or httputil.DumpRequest in another handler; mount the receiver outside of it, or have it set " +
		"r.Body = io.NopCloser(bytes.NewReader(data)) after reading"
}

// PathEvent is the event type in the path, for the receiver.
func (b body) PathEvent() string { return b.event }
