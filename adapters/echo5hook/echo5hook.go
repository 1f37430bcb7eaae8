// Package echo5hook mounts a receiver in echo v5. For echo v4 there is the package
// echohook.
//
//	e.Any("/webhooks/sonzai/:event", echo5hook.Handler(hooks))
//
// [Verify] is middleware that authenticates and leaves the rest to the caller's
// handler. Neither ever returns an error to echo: the answer is written, and echo's
// error handler must not write another.
//
// The path parameter "project" names the project whose secrets are tried first
// ("/webhooks/sonzai/:project/:event"). Other parameters are for people to read: a
// path is not signed, so it names no event type, and the project only picks secrets.
//
// # Where the framework answers first
//
// Where echo answers before the receiver can, the body of the answer is echo's:
//
//   - A route for POST alone (e.POST) has other methods answered by echo: OPTIONS
//     with 204, the others with 405. With e.Any the receiver answers. CORS answers
//     an OPTIONS that has the headers of a preflight itself.
//   - BodyLimit with a limit below sonzaihook.WithMaxBody answers a body that
//     announces too much itself, with the same 413. One without a length reaches
//     the receiver, unless BodyDump stands between them and reads it first.
//   - BodyDump and Decompress answer 500 if they cannot read or decompress the
//     body. The platform does not compress, so to it that means a connection that
//     broke, and it tries again.
//   - A path with a slash too many or too few is 404. Middleware that redirects it
//     (AddTrailingSlash with a RedirectCode) ends the delivery: register the path
//     exactly as it is mounted.
//   - KeyAuth, BasicAuth and JWT middleware answer 400 or 401, which ends the
//     delivery too.
//
// ContextTimeout ends the context of the request. The receiver goes on: what has
// begun is finished and answered. To limit the callbacks use
// sonzaihook.WithHandlerTimeout.
//
// # Middleware for the whole server
//
// What the platform sends has a signature, and neither a token of yours nor a CSRF
// cookie. Keep the hook out of groups whose middleware demands them. Where such
// middleware is for the whole server (e.Use), its Skipper lets the hook through:
//
//	e.Use(echojwt.WithConfig(echojwt.Config{
//		SigningKey: key,
//		Skipper: func(c *echo.Context) bool {
//			return strings.HasPrefix(c.Path(), "/webhooks/sonzai/")
//		},
//	}))
//
// Path returns the route that was found, which no request can forge. If the
// platform is told to send an Authorization header, check it with
// sonzaihook.WithAuthorization.
package echo5hook

import (
	"github.com/labstack/echo/v5"

	"github.com/sonzaihook/sonzaihook"
)

// Handler returns the receiver as a handler of echo. It always returns nil. It is
// safe for concurrent use.
func Handler(r *sonzaihook.Receiver) echo.HandlerFunc {
	return func(c *echo.Context) error {
		r.ServeHTTP(c.Response(), prepare(c))
		return nil
	}
}

// Verify returns middleware that lets authentic deliveries through to the next
// handler, which finds the delivery with [Delivery] and can read or bind the body
// again. It runs no callbacks and recognises no copies. What it refuses it answers
// as the receiver does, and next is not called.
func Verify(r *sonzaihook.Receiver) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			d, err := r.Verify(prepare(c))
			if err != nil {
				sonzaihook.Refusal(err).Respond(c.Response())
				return nil
			}
			c.Set(deliveryKey, d)
			return next(c)
		}
	}
}

// Delivery returns the delivery that [Verify] let through. It returns false where
// Verify did not run.
func Delivery(c *echo.Context) (*sonzaihook.Delivery, bool) {
	d, ok := c.Get(deliveryKey).(*sonzaihook.Delivery)
	return d, ok
}

const deliveryKey = "github.com/sonzaihook/sonzaihook/adapters/echo5hook"
