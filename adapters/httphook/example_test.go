package httphook_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/httphook"
)

const secret = "whsec_an_example"

// send signs a body as the platform does and prints the answer.
func send(handler http.Handler, target, body string) {
	req := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	req.Header.Set(sonzaihook.SignatureHeader, sonzaihook.Sign([]byte(body), secret, time.Now()))
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, req)
	fmt.Println(answer.Code, strings.TrimSpace(answer.Body.String()))
}

func ExampleVerify() {
	hooks, err := sonzaihook.New(sonzaihook.Secret(secret))
	if err != nil {
		panic(err)
	}
	route := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, _ := httphook.Delivery(r.Context())
		fmt.Fprint(w, d.Type)
	})
	routes := http.NewServeMux()
	routes.Handle("/webhooks/sonzai", httphook.Verify(hooks)(route))

	send(routes, "/webhooks/sonzai", `{"event_type":"session.end","agent_id":"luna"}`)
	// Output: 200 session.end
}

// A wakeup may come without an event type; then the path has it. gorilla/mux keeps
// its parameters to itself, and PathValues fetches them.
func ExamplePathValues() {
	hooks, err := sonzaihook.New(sonzaihook.Secrets{sonzaihook.EventWakeup: {secret}})
	if err != nil {
		panic(err)
	}
	router := mux.NewRouter()
	router.Use(httphook.PathValues(mux.Vars))
	router.Handle("/webhooks/{event}/sonzai", httphook.Handler(hooks))

	send(router, "/webhooks/agent.wakeup/sonzai", `{"wakeup":{"wakeup_id":"wk_1"},"has_energy":true}`)
	// Output: 200 {"code":"ignored"}
}
