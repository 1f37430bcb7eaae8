package ginhook_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/gin-gonic/gin/binding"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/ginhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	m.Run()
}

func TestNobodyAnswersAfterTheHook(t *testing.T) {
	t.Parallel()
	hooks := recorder.New(t, nil).Receiver
	router := gin.New()
	later := 0
	count := func(*gin.Context) { later++ }
	router.Any("/webhooks/sonzai", ginhook.Handler(hooks), count)
	router.Any("/verified", ginhook.Verify(hooks), count)
	body := hooktest.Fixture(t, sonzaihook.EventMessage)
	require.Equal(t, http.StatusOK, hooktest.Deliver(t, router, body).Code)
	require.Equal(t, http.StatusUnauthorized, hooktest.Deliver(t, router, body, hooktest.Tampered()).Code)
	require.Equal(t, http.StatusUnauthorized,
		hooktest.Deliver(t, router, body, hooktest.Tampered(), hooktest.To("/verified")).Code)
	require.Zero(t, later)
	require.Equal(t, http.StatusOK, hooktest.Deliver(t, router, body, hooktest.To("/verified")).Code)
	require.Equal(t, 1, later)
}

func bindBodyWith(c *gin.Context) {
	var into map[string]any
	_ = c.ShouldBindBodyWith(&into, binding.JSON)
}

func bindJSON(c *gin.Context) {
	var into map[string]any
	_ = c.ShouldBindJSON(&into)
}

func TestABodyThatGinKeptIsTaken(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before []gin.HandlerFunc
		status int
	}{
		"kept":                   {[]gin.HandlerFunc{bindBodyWith}, http.StatusOK},
		"kept, then read":        {[]gin.HandlerFunc{bindBodyWith, bindJSON}, http.StatusOK},
		"read before it is kept": {[]gin.HandlerFunc{bindJSON, bindBodyWith}, http.StatusInternalServerError},
		"read":                   {[]gin.HandlerFunc{bindJSON}, http.StatusInternalServerError},
		"something else in the key": {
			[]gin.HandlerFunc{func(c *gin.Context) { c.Set(gin.BodyBytesKey, "text") }}, http.StatusOK},
		"other bytes in the key": {
			[]gin.HandlerFunc{func(c *gin.Context) { c.Set(gin.BodyBytesKey, []byte(strings.Repeat("{}", 1000))) }},
			http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			router := gin.New()
			router.Use(test.before...)
			router.Any("/webhooks/sonzai", ginhook.Handler(recorder.New(t, nil).Receiver))
			answer := hooktest.Deliver(t, router, hooktest.Fixture(t, sonzaihook.EventMessage))
			require.Equal(t, test.status, answer.Code)
		})
	}
}

func TestAVerifiedBodyCanBeReadAndBound(t *testing.T) {
	t.Parallel()
	router := gin.New()
	router.POST("/webhooks/sonzai", ginhook.Verify(recorder.New(t, nil).Receiver), func(c *gin.Context) {
		d, ok := ginhook.Delivery(c)
		require.True(t, ok)
		require.Equal(t, sonzaihook.EventMessage, d.Type)
		require.Contains(t, d.ID, "evt_01JMSG")
		var event struct {
			AgentID string `json:"agent_id"`
		}
		if err := c.ShouldBindJSON(&event); err != nil {
			c.AbortWithStatus(http.StatusTeapot)
			return
		}
		c.String(http.StatusAccepted, event.AgentID)
	})
	answer := hooktest.Deliver(t, router, hooktest.Fixture(t, sonzaihook.EventMessage))
	require.Equal(t, http.StatusAccepted, answer.Code)
	require.Equal(t, "agent_luna", answer.Body.String())
}

func TestAHandlerMayStandBehindVerify(t *testing.T) {
	t.Parallel()
	hooks := recorder.New(t, nil).Receiver
	router := gin.New()
	router.Use(bindBodyWith, ginhook.Verify(hooks))
	router.Any("/webhooks/sonzai", ginhook.Handler(hooks))
	require.Equal(t, http.StatusOK, hooktest.Deliver(t, router, hooktest.Fixture(t, sonzaihook.EventMessage)).Code)
}

func TestWithoutVerifyThereIsNoDelivery(t *testing.T) {
	t.Parallel()
	c, _ := gin.CreateTestContext(httptest.NewRecorder())
	d, ok := ginhook.Delivery(c)
	require.False(t, ok)
	require.Nil(t, d)
}
