package adapters_test

import (
	"net/http"
	"testing"

	"github.com/labstack/echo/v4/middleware"
	middleware5 "github.com/labstack/echo/v5/middleware"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
)

// A body that is within the receiver's limit and over that of the middleware
// before it is too large, and not a connection that broke: the platform would send
// it again for ever.
func TestALowerLimitOfMiddlewareCounts(t *testing.T) {
	t.Parallel()
	ours := string(sonzaihook.Outcome{Code: sonzaihook.CodeBodyTooLarge}.Body())
	for _, test := range []struct {
		name    string
		serve   func(*setup) http.Handler
		chunked bool
		body    string
	}{
		{"MaxBytesHandler, announced", onServeMux(maxBytes(lowLimit)), false, ours},
		{"MaxBytesHandler, chunked", onServeMux(maxBytes(lowLimit)), true, ours},
		{"MaxBytesHandler and Verify", onServeMuxVerify(maxBytes(lowLimit)), true, ours},
		{"BodyLimit, announced", onEcho(middleware.BodyLimit("8K")), false, "{\"message\":\"Request Entity Too Large\"}\n"},
		{"BodyLimit, chunked", onEcho(middleware.BodyLimit("8K")), true, ours},
		{"BodyLimit and Verify", onEchoVerify(middleware.BodyLimit("8K")), true, ours},
		{"BodyLimit and BodyDump, which reads first", onEcho(middleware.BodyLimit("8K"), bodyDump), true,
			"{\"message\":\"Request Entity Too Large\"}\n"},
		{"echo5 BodyLimit, announced", onEcho5(middleware5.BodyLimit(lowLimit)), false, "{\"message\":\"Request Entity Too Large\"}\n"},
		{"echo5 BodyLimit, chunked", onEcho5(middleware5.BodyLimit(lowLimit)), true, ours},
		{"echo5 BodyLimit and Verify", onEcho5Verify(middleware5.BodyLimit(lowLimit)), true, ours},
		{"echo5 BodyLimit and BodyDump, which reads first", onEcho5(middleware5.BodyLimit(lowLimit), bodyDump5), true,
			"{\"message\":\"Request Entity Too Large\"}\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, &mount{serve: test.serve}, &sameCase{})
			d := w.delivery()
			d.body, d.chunked = messageOf(maxBody*3/4), test.chunked
			got := w.send(d)
			require.Equal(t, http.StatusRequestEntityTooLarge, got.status, "log: %s", &w.hooks.Log)
			require.Equal(t, test.body, got.body)
			require.Zero(t, w.hooks.Runs.Len())
		})
	}
}
