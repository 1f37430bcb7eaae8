package echohook_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/echohook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
)

func TestTheErrorHandlerOfEchoIsNeverAsked(t *testing.T) {
	t.Parallel()
	hooks := recorder.New(t, nil).Receiver
	hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error { panic(http.ErrAbortHandler) })
	e := echo.New()
	asked := 0
	e.HTTPErrorHandler = func(error, echo.Context) { asked++ }
	e.Any("/webhooks/sonzai", echohook.Handler(hooks))
	e.Any("/verified", func(echo.Context) error { return nil }, echohook.Verify(hooks))
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
		return func(c echo.Context) error {
			err := next(c)
			seen = *c.Response()
			return err
		}
	})
	e.Any("/webhooks/sonzai", echohook.Handler(recorder.New(t, nil).Receiver))
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
		return func(c echo.Context) error {
			err := next(c)
			status = c.Response().Status
			return err
		}
	})
	e.Any("/webhooks/sonzai", echohook.Handler(recorder.New(t, nil).Receiver))
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
	e.POST("/webhooks/sonzai", func(c echo.Context) error {
		d, ok := echohook.Delivery(c)
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
	}, echohook.Verify(hooks))
	answer := hooktest.Deliver(t, e, body)
	require.Equal(t, http.StatusAccepted, answer.Code)
	require.Equal(t, "agent_luna", answer.Body.String())
}

func TestAHandlerMayStandBehindVerify(t *testing.T) {
	t.Parallel()
	hooks := recorder.New(t, nil).Receiver
	e := echo.New()
	e.Use(echohook.Verify(hooks))
	e.Any("/webhooks/sonzai", echohook.Handler(hooks))
	require.Equal(t, http.StatusOK, hooktest.Deliver(t, e, hooktest.Fixture(t, sonzaihook.EventMessage)).Code)
}

func TestWithoutVerifyThereIsNoDelivery(t *testing.T) {
	t.Parallel()
	c := echo.New().NewContext(httptest.NewRequest(http.MethodPost, "/", nil), httptest.NewRecorder())
	d, ok := echohook.Delivery(c)
	require.False(t, ok)
	require.Nil(t, d)
}

func TestOtherErrorsOfABodyAreLeftAsTheyAre(t *testing.T) {
	t.Parallel()
	e := echo.New()
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.Request().Body = io.NopCloser(failing{echo.ErrUnauthorized})
			return next(c)
		}
	})
	e.Any("/webhooks/sonzai", echohook.Handler(recorder.New(t, nil).Receiver))
	answer := hooktest.Deliver(t, e, hooktest.Fixture(t, sonzaihook.EventMessage))
	require.Equal(t, http.StatusServiceUnavailable, answer.Code)
	require.Contains(t, answer.Body.String(), sonzaihook.CodeBodyUnreadable)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
