package echohook

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"
)

// writer writes to echo's response unless that may serve another request by now.
//
// Echo's Timeout answers and gives the echo.Context back to echo's pool while the
// handler still runs. What the handler then writes through c.Response() can reach
// another client. What it writes to the writer that it was given at the start is
// discarded, as it must be.
type writer struct {
	response *echo.Response
	given    http.ResponseWriter
	ctx      context.Context
}

func newWriter(ctx context.Context, response *echo.Response) http.ResponseWriter {
	return &writer{response: response, given: response.Writer, ctx: ctx}
}

func (w *writer) Header() http.Header         { return w.target().Header() }
func (w *writer) WriteHeader(status int)      { w.target().WriteHeader(status) }
func (w *writer) Write(b []byte) (int, error) { return w.target().Write(b) }

func (w *writer) target() http.ResponseWriter {
	if w.ctx.Err() != nil && buffered(w.given) {
		return w.given
	}
	return w.response
}

// buffered reports whether what is written ends in a buffer and not in the
// connection. http.TimeoutHandler, on which Timeout is built, is known by that:
// its writer cannot be flushed.
func buffered(w http.ResponseWriter) bool {
	for {
		inner, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			_, flushes := w.(http.Flusher)
			return !flushes
		}
		w = inner.Unwrap()
	}
}
