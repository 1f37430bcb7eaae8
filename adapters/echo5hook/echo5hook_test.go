package echo5hook_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v5"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/echo5hook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
)

func TestTheErrorHandlerOfEchoIsNeverAsked(t *testing.T) {
	t.Parallel()
	hooks := recorder.New(t, nil).Receiver
	hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error { panic(http.ErrAbortHandler) })
	e := echo.New()
	asked := 0
	e.HTTPErrorHandler = func(*echo.Context, error) { asked++ }
	e.Any("/webhooks/sonzai", echo5hook.Handler(hooks))
	e.Any("/verified", func(*echo.Context) error { return nil }, echo5hook.Verify(hooks))
	body := hooktest.Fixture(t, sonzaihook.EventMessage)
	require.Equal(t, http.StatusInternalServerError, hooktest.Deliver(t, e, body).Code)
	require.Equal(t, http.StatusUnauthorized, hooktest.Deliver(t, e, body, hooktest.Unsigned()).Code)
	require.Equal(t, http.StatusUnauthorized,
		hooktest.Deliver(t, e, body, hooktest.Unsigned(), hooktest.To("/verified")).Code)
	require.Zero(t, asked)
}

func TestEchoLearnsTheStatusOfTheAnswer(t *testing.T) {
	t.Parallel()
	e := echo.New()
	var seen echo.Response
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			err := next(c)
			response, unwrapped := echo.UnwrapResponse(c.Response())
			require.NoError(t, unwrapped)
			seen = *response
			return err
		}
	})
	e.Any("/webhooks/sonzai", echo5hook.Handler(recorder.New(t, nil).Receiver))
	answer := hooktest.Deliver(t, e, hooktest.Fixture(t, sonzaihook.EventMessage), hooktest.Unsigned())
	require.True(t, seen.Committed)
	require.Equal(t, http.StatusUnauthorized, seen.Status)
	require.EqualValues(t, answer.Body.Len(), seen.Size)
}

// The context of a request may end, by ContextTimeout or because the client has
// gone, and echo's log should still have the status.
func TestEchoLearnsTheStatusOfALateAnswer(t *testing.T) {
	t.Parallel()
	e := echo.New()
	var status int
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			err := next(c)
			_, status = echo.ResolveResponseStatus(c.Response(), err)
			return err
		}
	})
	e.Any("/webhooks/sonzai", echo5hook.Handler(recorder.New(t, nil).Receiver))
	req := hooktest.NewRequest(t, hooktest.Fixture(t, sonzaihook.EventMessage), hooktest.Unsigned())
	ctx, cancel := context.WithCancel(req.Context())
	cancel()
	answer := httptest.NewRecorder()
	e.ServeHTTP(answer, req.WithContext(ctx))
	require.Equal(t, http.StatusUnauthorized, answer.Code)
	require.Equal(t, http.StatusUnauthorized, status)
}

func TestAVerifiedBodyCanBeReadAndBound(t *testing.T) {
	t.Parallel()
	body := hooktest.Fixture(t, sonzaihook.EventMessage)
	hooks := recorder.New(t, nil).Receiver
	e := echo.New()
	e.POST("/webhooks/sonzai", func(c *echo.Context) error {
		d, ok := echo5hook.Delivery(c)
		require.True(t, ok)
		require.Equal(t, sonzaihook.EventMessage, d.Type)
		require.Contains(t, d.ID, "evt_01JMSG")
		var event struct {
			AgentID string `json:"agent_id"`
		}
		if err := c.Bind(&event); err != nil {
			return err
		}
		return c.String(http.StatusAccepted, event.AgentID)
	}, echo5hook.Verify(hooks))
	answer := hooktest.Deliver(t, e, body)
	require.Equal(t, http.StatusAccepted, answer.Code)
	require.Equal(t, "agent_luna", answer.Body.String())
}

func TestAHandlerMayStandBehindVerify(t *testing.T) {
	t.Parallel()
	hooks := recorder.New(t, nil).Receiver
	e := echo.New()
	e.Use(echo5hook.Verify(hooks))
	e.Any("/webhooks/sonzai", echo5hook.Handler(hooks))
	require.Equal(t, http.StatusOK, hooktest.Deliver(t, e, hooktest.Fixture(t, sonzaihook.EventMessage)).Code)
}

func TestWithoutVerifyThereIsNoDelivery(t *testing.T) {
	t.Parallel()
	c := echo.New().NewContext(httptest.NewRequest(http.MethodPost, "/", nil), httptest.NewRecorder())
	d, ok := echo5hook.Delivery(c)
	require.False(t, ok)
	require.Nil(t, d)
}

func TestOtherErrorsOfABodyAreLeftAsTheyAre(t *testing.T) {
	t.Parallel()
	e := echo.New()
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			c.Request().Body = io.NopCloser(failing{echo.ErrUnauthorized})
			return next(c)
		}
	})
	e.Any("/webhooks/sonzai", echo5hook.Handler(recorder.New(t, nil).Receiver))
	answer := hooktest.Deliver(t, e, hooktest.Fixture(t, sonzaihook.EventMessage))
	require.Equal(t, http.StatusServiceUnavailable, answer.Code)
	require.Contains(t, answer.Body.String(), sonzaihook.CodeBodyUnreadable)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestTheLimitOfEchoIsTheSendersFaultInEveryForm(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"as it is": echo.ErrStatusRequestEntityTooLarge,
		"wrapped":  fmt.Errorf("reading: %w", echo.ErrStatusRequestEntityTooLarge),
		"made":     echo.NewHTTPError(http.StatusRequestEntityTooLarge, "too much"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := echo.New()
			e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
				return func(c *echo.Context) error {
					c.Request().Body = io.NopCloser(failing{err})
					return next(c)
				}
			})
			e.Any("/webhooks/sonzai", echo5hook.Handler(recorder.New(t, nil).Receiver))
			answer := hooktest.Deliver(t, e, hooktest.Fixture(t, sonzaihook.EventMessage))
			require.Equal(t, http.StatusRequestEntityTooLarge, answer.Code)
			require.Contains(t, answer.Body.String(), sonzaihook.CodeBodyTooLarge)
		})
	}
}
