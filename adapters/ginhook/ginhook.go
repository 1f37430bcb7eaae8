// Package ginhook mounts a receiver in gin.
//
//	router.Any("/webhooks/sonzai/:event", ginhook.Handler(hooks))
//
// [Verify] is middleware that authenticates and leaves the rest to the caller's
// handler. Both abort gin's chain when they have answered, so that no
// later handler answers again.
//
// The path parameter "project" names the project whose secrets are tried first
// ("/webhooks/sonzai/:project/:event"). Other parameters are for people to read: a
// path is not signed, so it names no event type, and the project only picks secrets.
//
// A body that earlier middleware bound with ShouldBindBodyWith is still there: gin
// keeps its bytes, and this package takes them. After ShouldBindJSON, Bind and
// GetRawData it is gone, and the delivery is answered 500, body_consumed.
//
// Where gin answers before the receiver can, the answer is gin's:
//
//   - A route for POST alone (router.POST) has other methods answered by gin: with
//     404, or with 405 if Engine.HandleMethodNotAllowed is set. With router.Any
//     the receiver answers.
//   - A path with a slash too many or too few is redirected, which ends a
//     delivery: register the path exactly as it is mounted, or set
//     Engine.RedirectTrailingSlash to false.
//
// Middleware that runs the chain in a goroutine and answers when a time is up
// must not be used around the hook: gin reuses its Context for another request.
// Bound the callbacks with sonzaihook.WithHandlerTimeout.
//
// The platform sends neither a CSRF token nor a credential of yours: keep the hook
// out of groups whose middleware demands them.
package ginhook

import (
	"github.com/gin-gonic/gin"

	"github.com/sonzaihook/sonzaihook"
)

// Handler returns the receiver as a handler of gin. Handlers after it in the chain
// do not run. It is safe for concurrent use.
func Handler(r *sonzaihook.Receiver) gin.HandlerFunc {
	return func(c *gin.Context) {
		r.ServeHTTP(c.Writer, prepare(c))
		c.Abort()
	}
}

// Verify returns middleware that lets authentic deliveries through to the next
// handler, which finds the delivery with [Delivery] and can read or bind the body
// again. It runs no callbacks and recognises no copies. What it refuses it answers
// as the receiver does, and aborts.
func Verify(r *sonzaihook.Receiver) gin.HandlerFunc {
	return func(c *gin.Context) {
		d, err := r.Verify(prepare(c))
		if err != nil {
			sonzaihook.Refusal(err).Respond(c.Writer)
			c.Abort()
			return
		}
		c.Set(deliveryKey{}, d)
		c.Next()
	}
}

// Delivery returns the delivery that [Verify] let through. It returns false where
// Verify did not run.
func Delivery(c *gin.Context) (*sonzaihook.Delivery, bool) {
	value, _ := c.Get(deliveryKey{})
	d, ok := value.(*sonzaihook.Delivery)
	return d, ok
}

type deliveryKey struct{}
