package adapters_test

import (
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	echo5 "github.com/labstack/echo/v5"
	middleware5 "github.com/labstack/echo/v5/middleware"

	"github.com/sonzaihook/sonzaihook/adapters/echo5hook"
	"github.com/sonzaihook/sonzaihook/adapters/echohook"
)

func echoTimeout(d time.Duration) echo.MiddlewareFunc {
	return middleware.TimeoutWithConfig(middleware.TimeoutConfig{Timeout: d}) //nolint:staticcheck // deprecated and still in use
}

var bodyDump = middleware.BodyDump(func(echo.Context, []byte, []byte) {})

var requestLogger = middleware.RequestLoggerWithConfig(middleware.RequestLoggerConfig{
	LogStatus: true, LogError: true, HandleError: true,
	LogValuesFunc: func(echo.Context, middleware.RequestLoggerValues) error { return nil },
})

func newEcho(s *setup) *echo.Echo {
	e := echo.New()
	e.Logger.SetOutput(io.Discard)
	if s.consume {
		e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				var into map[string]any
				_ = c.Bind(&into)
				return next(c)
			}
		})
	}
	return e
}

func onEcho(middleware ...echo.MiddlewareFunc) func(*setup) http.Handler {
	return func(s *setup) http.Handler {
		e := newEcho(s)
		e.Use(middleware...)
		e.Any(echoPath, echohook.Handler(s.hooks))
		return e
	}
}

func onEchoVerify(middleware ...echo.MiddlewareFunc) func(*setup) http.Handler {
	return func(s *setup) http.Handler {
		e := newEcho(s)
		e.Use(middleware...)
		e.Any(echoPath, func(c echo.Context) error {
			d, ok := echohook.Delivery(c)
			body, err := io.ReadAll(c.Request().Body)
			s.route(c.Response(), d, ok, body)
			return err
		}, echohook.Verify(s.hooks))
		return e
	}
}

var bodyDump5 = middleware5.BodyDump(func(*echo5.Context, []byte, []byte, error) {})

var requestLogger5 = middleware5.RequestLoggerWithConfig(middleware5.RequestLoggerConfig{
	LogStatus: true, HandleError: true,
	LogValuesFunc: func(*echo5.Context, middleware5.RequestLoggerValues) error { return nil },
})

func newEcho5(s *setup) *echo5.Echo {
	e := echo5.New()
	e.Logger = slog.New(slog.DiscardHandler)
	if s.consume {
		e.Use(func(next echo5.HandlerFunc) echo5.HandlerFunc {
			return func(c *echo5.Context) error {
				var into map[string]any
				_ = c.Bind(&into)
				return next(c)
			}
		})
	}
	return e
}

func onEcho5(middleware ...echo5.MiddlewareFunc) func(*setup) http.Handler {
	return func(s *setup) http.Handler {
		e := newEcho5(s)
		e.Use(middleware...)
		e.Any(echoPath, echo5hook.Handler(s.hooks))
		return e
	}
}

func onEcho5Verify(middleware ...echo5.MiddlewareFunc) func(*setup) http.Handler {
	return func(s *setup) http.Handler {
		e := newEcho5(s)
		e.Use(middleware...)
		e.Any(echoPath, func(c *echo5.Context) error {
			d, ok := echo5hook.Delivery(c)
			body, err := io.ReadAll(c.Request().Body)
			s.route(c.Response(), d, ok, body)
			return err
		}, echo5hook.Verify(s.hooks))
		return e
	}
}
