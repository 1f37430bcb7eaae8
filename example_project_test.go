package sonzaihook_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// Each project of the platform has secrets apart from those of the others. The path
// says whose secrets are tried.
func ExampleReceiver_Project() {
	hooks, err := sonzaihook.New(sonzaihook.Secret("whsec_of_the_tenant"), quiet)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := hooks.Project("shop").SetSecrets(sonzaihook.Secret(exampleSecret)); err != nil {
		fmt.Println(err)
		return
	}
	hooks.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		fmt.Println(e.ProjectID, "says", e.Data.Content)
		return nil
	})
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/{project}/{event}", hooks)
	body := `{"event_type":"agent.message","event_id":"evt_1","data":{"content":"Hello!"}}`
	for _, project := range []string{"shop", "school"} {
		req := httptest.NewRequest(http.MethodPost, "/webhooks/"+project+"/agent.message", strings.NewReader(body))
		req.Header.Set(sonzaihook.SignatureHeader, sonzaihook.Sign([]byte(body), exampleSecret, time.Now()))
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, req)
		fmt.Println(project, answer.Code)
	}
	// Output:
	// shop says Hello!
	// shop 200
	// school 401
}
