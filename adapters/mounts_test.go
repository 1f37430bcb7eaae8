// Package adapters_test holds the suite that every mount must pass: one table of
// cases (cases_test.go), one table of mounts (this file), each bare and behind the
// middleware that its users have, over real sockets.
package adapters_test

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/gin-gonic/gin/binding"
	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/gorilla/mux"
	"github.com/labstack/echo/v4/middleware"
	middleware5 "github.com/labstack/echo/v5/middleware"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/ginhook"
	"github.com/sonzaihook/sonzaihook/adapters/httphook"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	m.Run()
}

// mount is one way of mounting a receiver.
type mount struct {
	name string
	// hint stands in the log line of a body that was consumed before.
	hint string
	// verifies: the mount only authenticates, and the user's handler is
	// behind it.
	verifies bool
	serve    func(*setup) http.Handler
	// except says, by case, where the framework makes another answer.
	except map[string]exception
}

// exception is an answer that the framework gives in the receiver's place. Without
// a status the case cannot be tried at all.
type exception struct {
	status int
	body   string // a part of it
	reason string
}

// setup is what a mount is given.
type setup struct {
	hooks *sonzaihook.Receiver
	// consume puts middleware before everything else that reads the body.
	consume bool
	// route is the user's own handler, for mounts that only verify. It is given
	// what the adapter's Delivery returned and the body as the route reads it.
	route func(w http.ResponseWriter, d *sonzaihook.Delivery, ok bool, body []byte)
}

const (
	echoPath  = "/webhooks/sonzai/:event"
	stdPath   = "/webhooks/sonzai/{event}"
	stdHint   = "io.ReadAll or a json.Decoder"
	echoHint  = "c.Bind"
	ginHint   = "ShouldBindBodyWith"
	aMinute   = time.Minute
	lowLimit  = 8 << 10 // below the receiver's
	highLimit = 1 << 20 // above it
)

var mounts = []mount{
	{name: "receiver", hint: "mount the receiver outside of it", serve: func(s *setup) http.Handler {
		routes := http.NewServeMux()
		routes.Handle(stdPath, s.consumed(s.hooks))
		return routes
	}},

	{name: "nethttp", hint: stdHint, serve: onServeMux(nil)},
	{name: "nethttp TimeoutHandler", hint: stdHint, serve: onServeMux(timeoutHandler)},
	{name: "nethttp MaxBytesHandler above", hint: stdHint, serve: onServeMux(maxBytes(highLimit))},
	{name: "nethttp MaxBytesHandler below", hint: stdHint, serve: onServeMux(maxBytes(lowLimit))},
	{name: "nethttp Verify", hint: stdHint, verifies: true, serve: onServeMuxVerify(nil)},
	{name: "nethttp Verify, TimeoutHandler", hint: stdHint, verifies: true, serve: onServeMuxVerify(timeoutHandler)},
	{name: "nethttp Verify, MaxBytesHandler below", hint: stdHint, verifies: true, serve: onServeMuxVerify(maxBytes(lowLimit))},

	{name: "chi", hint: stdHint, serve: onChi()},
	{name: "chi Compress", hint: stdHint, serve: onChi(chimiddleware.Compress(5))},
	{name: "chi Recoverer", hint: stdHint, serve: onChi(chimiddleware.Recoverer)},
	{name: "chi Timeout", hint: stdHint, serve: onChi(chimiddleware.Timeout(aMinute))},
	{name: "chi all", hint: stdHint, serve: onChi(
		chimiddleware.Recoverer, chimiddleware.Timeout(aMinute), chimiddleware.Compress(5))},

	{name: "gorilla", hint: stdHint, serve: onGorilla(stdPath)},
	{name: "gorilla PathValues", hint: stdHint, serve: onGorilla("/{base:webhooks/sonzai}/{event}", httphook.PathValues(mux.Vars))},

	{name: "echo", hint: echoHint, serve: onEcho()},
	{name: "echo Recover", hint: echoHint, serve: onEcho(middleware.Recover())},
	{name: "echo BodyLimit above", hint: echoHint, serve: onEcho(middleware.BodyLimit("1M"))},
	{name: "echo BodyLimit below", hint: echoHint, serve: onEcho(middleware.BodyLimit("8K")), except: map[string]exception{
		"over the limit, announced": {http.StatusRequestEntityTooLarge, "Request Entity Too Large",
			"BodyLimit answers by the Content-Length and calls no handler"},
	}},
	{name: "echo BodyDump", hint: echoHint, serve: onEcho(bodyDump)},
	{name: "echo Gzip", hint: echoHint, serve: onEcho(middleware.Gzip())},
	{name: "echo Timeout", hint: echoHint, serve: onEcho(echoTimeout(aMinute)), except: map[string]exception{
		"client gone while it runs":  {reason: echoTimeoutRaces},
		"client gone while it sends": {reason: echoTimeoutRaces},
	}},
	{name: "echo ContextTimeout", hint: echoHint, serve: onEcho(middleware.ContextTimeout(aMinute))},
	{name: "echo CORS", hint: echoHint, serve: onEcho(middleware.CORS()), except: map[string]exception{
		"wrong method OPTIONS": {http.StatusNoContent, "",
			"CORS takes every OPTIONS for a preflight and calls no handler"},
	}},
	{name: "echo Secure", hint: echoHint, serve: onEcho(middleware.Secure())},
	{name: "echo RequestLogger", hint: echoHint, serve: onEcho(requestLogger)},
	{name: "echo Decompress", hint: echoHint, serve: onEcho(middleware.Decompress()), except: map[string]exception{
		"content encoding that is not true": {http.StatusInternalServerError, "Internal Server Error",
			"Decompress fails on the body and calls no handler"},
	}},
	{name: "echo all", hint: echoHint, serve: onEcho(middleware.ContextTimeout(aMinute), requestLogger, middleware.Recover(),
		middleware.Secure(), middleware.BodyLimit("1M"), middleware.Gzip(), bodyDump)},
	{name: "echo Verify", hint: echoHint, verifies: true, serve: onEchoVerify()},
	{name: "echo Verify, all", hint: echoHint, verifies: true, serve: onEchoVerify(echoTimeout(aMinute), requestLogger,
		middleware.Recover(), middleware.Secure(), middleware.BodyLimit("1M"), middleware.Gzip(), bodyDump)},

	{name: "echo5", hint: echoHint, serve: onEcho5()},
	{name: "echo5 Recover", hint: echoHint, serve: onEcho5(middleware5.Recover())},
	{name: "echo5 BodyLimit above", hint: echoHint, serve: onEcho5(middleware5.BodyLimit(highLimit))},
	{name: "echo5 BodyLimit below", hint: echoHint, serve: onEcho5(middleware5.BodyLimit(lowLimit)), except: map[string]exception{
		"over the limit, announced": {http.StatusRequestEntityTooLarge, "Request Entity Too Large",
			"BodyLimit answers by the Content-Length and calls no handler"},
	}},
	{name: "echo5 BodyDump", hint: echoHint, serve: onEcho5(bodyDump5)},
	{name: "echo5 Gzip", hint: echoHint, serve: onEcho5(middleware5.Gzip())},
	{name: "echo5 ContextTimeout", hint: echoHint, serve: onEcho5(middleware5.ContextTimeout(aMinute))},
	{name: "echo5 CORS", hint: echoHint, serve: onEcho5(middleware5.CORS("*"))},
	{name: "echo5 Secure", hint: echoHint, serve: onEcho5(middleware5.Secure())},
	{name: "echo5 RequestLogger", hint: echoHint, serve: onEcho5(requestLogger5)},
	{name: "echo5 Decompress", hint: echoHint, serve: onEcho5(middleware5.Decompress()), except: map[string]exception{
		"content encoding that is not true": {http.StatusInternalServerError, "Internal Server Error",
			"Decompress fails on the body and calls no handler"},
	}},
	{name: "echo5 all", hint: echoHint, serve: onEcho5(middleware5.ContextTimeout(aMinute), requestLogger5, middleware5.Recover(),
		middleware5.Secure(), middleware5.BodyLimit(highLimit), middleware5.Gzip(), bodyDump5)},
	{name: "echo5 Verify", hint: echoHint, verifies: true, serve: onEcho5Verify()},
	{name: "echo5 Verify, all", hint: echoHint, verifies: true, serve: onEcho5Verify(middleware5.ContextTimeout(aMinute), requestLogger5,
		middleware5.Recover(), middleware5.Secure(), middleware5.BodyLimit(highLimit), middleware5.Gzip(), bodyDump5)},

	{name: "gin", hint: ginHint, serve: onGin()},
	{name: "gin Recovery", hint: ginHint, serve: onGin(gin.RecoveryWithWriter(io.Discard))},
	{name: "gin Logger", hint: ginHint, serve: onGin(gin.LoggerWithWriter(io.Discard))},
	{name: "gin ShouldBindBodyWith", hint: ginHint, serve: onGin(bindBodyWith)},
	{name: "gin all", hint: ginHint, serve: onGin(
		gin.LoggerWithWriter(io.Discard), gin.RecoveryWithWriter(io.Discard), bindBodyWith)},
	{name: "gin Verify", hint: ginHint, verifies: true, serve: onGinVerify()},
	{name: "gin Verify, all", hint: ginHint, verifies: true, serve: onGinVerify(
		gin.LoggerWithWriter(io.Discard), gin.RecoveryWithWriter(io.Discard), bindBodyWith)},
}

const echoTimeoutRaces = "when the client goes, Timeout gives the echo.Context back while its own goroutine " +
	"still writes to it (timeout.go, originalWriter): a race inside of echo, which has deprecated Timeout in favour " +
	"of ContextTimeout"

// net/http and the routers that are made of its handlers

// consumed puts middleware round a handler that eats the body, if the case is
// about that.
func (s *setup) consumed(next http.Handler) http.Handler {
	if !s.consume {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		next.ServeHTTP(w, r)
	})
}

func timeoutHandler(next http.Handler) http.Handler {
	return http.TimeoutHandler(next, aMinute, "too slow")
}

func maxBytes(n int64) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler { return http.MaxBytesHandler(next, n) }
}

func onServeMux(middleware func(http.Handler) http.Handler) func(*setup) http.Handler {
	return func(s *setup) http.Handler {
		handler := httphook.Handler(s.hooks)
		if middleware != nil {
			handler = middleware(handler)
		}
		routes := http.NewServeMux()
		routes.Handle(stdPath, s.consumed(handler))
		return routes
	}
}

func onServeMuxVerify(middleware func(http.Handler) http.Handler) func(*setup) http.Handler {
	return func(s *setup) http.Handler {
		handler := httphook.Verify(s.hooks)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			d, ok := httphook.Delivery(r.Context())
			body, _ := io.ReadAll(r.Body)
			s.route(w, d, ok, body)
		}))
		if middleware != nil {
			handler = middleware(handler)
		}
		routes := http.NewServeMux()
		routes.Handle(stdPath, s.consumed(handler))
		return routes
	}
}

func onChi(middleware ...func(http.Handler) http.Handler) func(*setup) http.Handler {
	return func(s *setup) http.Handler {
		router := chi.NewRouter()
		router.Use(s.consumed)
		router.Use(middleware...)
		router.Handle(stdPath, httphook.Handler(s.hooks))
		return router
	}
}

func onGorilla(path string, middleware ...mux.MiddlewareFunc) func(*setup) http.Handler {
	return func(s *setup) http.Handler {
		router := mux.NewRouter()
		router.Use(s.consumed)
		router.Use(middleware...)
		router.Handle(path, httphook.Handler(s.hooks))
		return router
	}
}

// gin

func bindBodyWith(c *gin.Context) {
	var into map[string]any
	_ = c.ShouldBindBodyWith(&into, binding.JSON)
}

func newGin(s *setup) *gin.Engine {
	router := gin.New()
	if s.consume {
		router.Use(func(c *gin.Context) {
			var into json.RawMessage
			_ = c.ShouldBindJSON(&into)
		})
	}
	return router
}

func onGin(middleware ...gin.HandlerFunc) func(*setup) http.Handler {
	return func(s *setup) http.Handler {
		router := newGin(s)
		router.Use(middleware...)
		answerAgain := func(c *gin.Context) { c.String(http.StatusTeapot, "answered twice") }
		router.Any(echoPath, ginhook.Handler(s.hooks), answerAgain)
		return router
	}
}

func onGinVerify(middleware ...gin.HandlerFunc) func(*setup) http.Handler {
	return func(s *setup) http.Handler {
		router := newGin(s)
		router.Use(middleware...)
		router.Any(echoPath, ginhook.Verify(s.hooks), func(c *gin.Context) {
			d, ok := ginhook.Delivery(c)
			body, _ := c.GetRawData()
			s.route(c.Writer, d, ok, body)
		})
		return router
	}
}
