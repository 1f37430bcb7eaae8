package echo5hook_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/echo5hook"
)

const secret = "whsec_an_example"

// send signs a body as the platform does and prints the answer.
func send(handler http.Handler, body string) {
	req := httptest.NewRequest(http.MethodPost, "/webhooks/sonzai", strings.NewReader(body))
	req.Header.Set(sonzaihook.SignatureHeader, sonzaihook.Sign([]byte(body), secret, time.Now()))
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, req)
	fmt.Println(answer.Code, strings.TrimSpace(answer.Body.String()))
}

func ExampleHandler() {
	hooks, err := sonzaihook.New(sonzaihook.Secret(secret))
	if err != nil {
		panic(err)
	}
	hooks.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
		fmt.Println(e.AgentID, "feels", e.Data.Label)
		return nil
	})
	e := echo.New()
	e.Any("/webhooks/sonzai", echo5hook.Handler(hooks))

	send(e, `{"event_type":"agent.mood_change","agent_id":"luna","data":{"label":"content"}}`)
	// Output:
	// luna feels content
	// 200 {"code":"processed"}
}

// Middleware for the whole server, as one that wants a token of each request, has a
// Skipper for the hook.
func ExampleHandler_middleware() {
	hooks, err := sonzaihook.New(sonzaihook.Secret(secret))
	if err != nil {
		panic(err)
	}
	e := echo.New()
	e.Use(middleware.KeyAuthWithConfig(middleware.KeyAuthConfig{
		Validator: func(*echo.Context, string, middleware.ExtractorSource) (bool, error) { return false, nil },
		Skipper: func(c *echo.Context) bool {
			return strings.HasPrefix(c.Path(), "/webhooks/sonzai")
		},
	}))
	e.Any("/webhooks/sonzai", echo5hook.Handler(hooks))
	e.POST("/orders", func(c *echo.Context) error { return c.NoContent(http.StatusNoContent) })

	send(e, `{"event_type":"session.end","agent_id":"luna"}`)
	answer := httptest.NewRecorder()
	e.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/orders?from=/webhooks/sonzai", nil))
	fmt.Println(answer.Code)
	// Output:
	// 200 {"code":"ignored"}
	// 401
}

func ExampleVerify() {
	hooks, err := sonzaihook.New(sonzaihook.Secret(secret))
	if err != nil {
		panic(err)
	}
	e := echo.New()
	e.POST("/webhooks/sonzai", func(c *echo.Context) error {
		d, _ := echo5hook.Delivery(c)
		return c.String(http.StatusOK, string(d.Type))
	}, echo5hook.Verify(hooks))

	send(e, `{"event_type":"session.end","agent_id":"luna"}`)
	// Output: 200 session.end
}
