package httphook_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/gorilla/mux"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/httphook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
)

// onlyWakeups is what a type in the path counts for.
var onlyWakeups = sonzaihook.Secrets{sonzaihook.EventWakeup: {hooktest.Secret}}

// seen is what the user's own handler sees.
type seen struct {
	event string
	d     *sonzaihook.Delivery
}

func TestEveryRoutersParameterNamesTheEvent(t *testing.T) {
	t.Parallel()
	hooks := recorder.New(t, onlyWakeups).Receiver
	var got seen
	route := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		d, _ := httphook.Delivery(r.Context())
		got = seen{r.PathValue("event"), d}
	})
	for name, test := range map[string]struct {
		mount  func(verified http.Handler) http.Handler
		target string
		event  string // as the user's handler sees it
	}{
		"net/http": {func(h http.Handler) http.Handler {
			routes := http.NewServeMux()
			routes.Handle("POST /hooks/{event}", h)
			return routes
		}, "/hooks/agent.wakeup", "agent.wakeup"},
		"net/http, in the middle": {func(h http.Handler) http.Handler {
			routes := http.NewServeMux()
			routes.Handle("POST /hooks/{event}/sonzai", h)
			return routes
		}, "/hooks/on_wakeup_ready/sonzai", "on_wakeup_ready"},
		"chi": {func(h http.Handler) http.Handler {
			router := chi.NewRouter()
			router.Method(http.MethodPost, "/hooks/{event}/sonzai", h)
			return router
		}, "/hooks/agent.wakeup/sonzai", "agent.wakeup"},
		"chi, escaped": {func(h http.Handler) http.Handler {
			router := chi.NewRouter()
			router.Method(http.MethodPost, "/hooks/{event}", h)
			return router
		}, "/hooks/agent%2Ewakeup", "agent%2Ewakeup"},
		"chi, in a subrouter": {func(h http.Handler) http.Handler {
			router := chi.NewRouter()
			router.Route("/hooks/{event}", func(sub chi.Router) { sub.Method(http.MethodPost, "/", h) })
			return router
		}, "/hooks/agent.wakeup/", "agent.wakeup"},
		"gorilla/mux": {func(h http.Handler) http.Handler {
			router := mux.NewRouter()
			router.Handle("/hooks/{event}", h)
			return router
		}, "/hooks/agent.wakeup", ""},
		"gorilla/mux, in the middle": {func(h http.Handler) http.Handler {
			router := mux.NewRouter()
			router.Use(httphook.PathValues(mux.Vars))
			router.Handle("/hooks/{event}/sonzai", h)
			return router
		}, "/hooks/agent.wakeup/sonzai", "agent.wakeup"},
		"no parameter": {func(h http.Handler) http.Handler { return h }, "/hooks/agent.wakeup", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got = seen{}
			router := test.mount(httphook.Verify(hooks)(route))
			answer := hooktest.Deliver(t, router, hooktest.BareWakeup(t), hooktest.To(test.target))
			require.Equal(t, http.StatusOK, answer.Code)
			require.Equal(t, test.event, got.event, "Verify changes what the router made of the path")
			require.NotNil(t, got.d)
			require.Equal(t, sonzaihook.EventWakeup, got.d.Type)

			hooks := recorder.New(t, onlyWakeups).Receiver
			router = test.mount(httphook.Handler(hooks))
			answer = hooktest.Deliver(t, router, hooktest.BareWakeup(t), hooktest.To(test.target))
			require.Equal(t, http.StatusOK, answer.Code)
		})
	}
}

func TestAPathNamesNoType(t *testing.T) {
	t.Parallel()
	handler := httphook.Handler(recorder.New(t, onlyWakeups).Receiver)
	for _, target := range []string{"/hooks/agent.message", "/hooks/sonzai", "/", "/agent.wakeup/sonzai"} {
		answer := hooktest.Deliver(t, handler, hooktest.BareWakeup(t), hooktest.To(target))
		require.Equal(t, http.StatusOK, answer.Code, target)
	}
}

func TestWhatIsRefusedDoesNotReachTheRoute(t *testing.T) {
	t.Parallel()
	hooks := recorder.New(t, nil).Receiver
	handler := httphook.Verify(hooks)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("it reached the route")
	}))
	answer := hooktest.Deliver(t, handler, hooktest.Fixture(t, sonzaihook.EventMessage), hooktest.Tampered())
	require.Equal(t, http.StatusUnauthorized, answer.Code)
	require.Equal(t, string(sonzaihook.Outcome{Code: sonzaihook.CodeUnauthorized}.Body()), answer.Body.String())
}

func TestAVerifiedBodyCanBeReadAgain(t *testing.T) {
	t.Parallel()
	body := hooktest.Fixture(t, sonzaihook.EventMessage)
	hooks := recorder.New(t, nil).Receiver
	handler := httphook.Verify(hooks)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, ok := httphook.Delivery(r.Context())
		require.True(t, ok)
		require.Contains(t, d.ID, "evt_01JMSG")
		require.EqualValues(t, len(body), r.ContentLength)
		got, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, body, got)
		w.WriteHeader(http.StatusAccepted)
	}))
	require.Equal(t, http.StatusAccepted, hooktest.Deliver(t, handler, body).Code)
}

func TestWithoutVerifyThereIsNoDelivery(t *testing.T) {
	t.Parallel()
	d, ok := httphook.Delivery(httptest.NewRequest(http.MethodPost, "/", nil).Context())
	require.False(t, ok)
	require.Nil(t, d)
}
