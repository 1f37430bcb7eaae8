package ginhook_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/ginhook"
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
	router := gin.New()
	router.Any("/webhooks/sonzai", ginhook.Handler(hooks))

	send(router, `{"event_type":"agent.mood_change","agent_id":"luna","data":{"label":"content"}}`)
	// Output:
	// luna feels content
	// 200 {"code":"processed"}
}

func ExampleVerify() {
	hooks, err := sonzaihook.New(sonzaihook.Secret(secret))
	if err != nil {
		panic(err)
	}
	router := gin.New()
	router.POST("/webhooks/sonzai", ginhook.Verify(hooks), func(c *gin.Context) {
		d, _ := ginhook.Delivery(c)
		c.String(http.StatusOK, string(d.Type))
	})

	send(router, `{"event_type":"session.end","agent_id":"luna"}`)
	// Output: 200 session.end
}
