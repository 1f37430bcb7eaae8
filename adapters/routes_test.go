package adapters_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gorilla/mux"
	"github.com/labstack/echo/v4"
	echo5 "github.com/labstack/echo/v5"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/echo5hook"
	"github.com/sonzaihook/sonzaihook/adapters/echohook"
	"github.com/sonzaihook/sonzaihook/adapters/ginhook"
	"github.com/sonzaihook/sonzaihook/adapters/httphook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// What a router answers before a receiver is asked is the router's own and not the
// same everywhere. The documentation of each adapter tells it; this table is what
// it tells. Mounted for all methods, the receiver answers a wrong method itself.
func TestWhatARouterAnswersByItself(t *testing.T) {
	t.Parallel()
	const path = "/webhooks/sonzai"
	post := map[string]func(*sonzaihook.Receiver) http.Handler{
		"nethttp": func(r *sonzaihook.Receiver) http.Handler {
			routes := http.NewServeMux()
			routes.Handle("POST "+path, httphook.Handler(r))
			return routes
		},
		"chi": func(r *sonzaihook.Receiver) http.Handler {
			router := chi.NewRouter()
			router.Method(http.MethodPost, path, httphook.Handler(r))
			return router
		},
		"gorilla": func(r *sonzaihook.Receiver) http.Handler {
			router := mux.NewRouter()
			router.Handle(path, httphook.Handler(r)).Methods(http.MethodPost)
			return router
		},
		"echo": func(r *sonzaihook.Receiver) http.Handler {
			e := echo.New()
			e.POST(path, echohook.Handler(r))
			return e
		},
		"echo5": func(r *sonzaihook.Receiver) http.Handler {
			e := echo5.New()
			e.POST(path, echo5hook.Handler(r))
			return e
		},
		"gin": func(r *sonzaihook.Receiver) http.Handler {
			router := gin.New()
			router.POST(path, ginhook.Handler(r))
			return router
		},
		"gin HandleMethodNotAllowed": func(r *sonzaihook.Receiver) http.Handler {
			router := gin.New()
			router.HandleMethodNotAllowed = true
			router.POST(path, ginhook.Handler(r))
			return router
		},
	}
	for name, want := range map[string]struct{ get, options, slash, unknown int }{
		"nethttp":                    {405, 405, 404, 404},
		"chi":                        {405, 405, 404, 404},
		"gorilla":                    {405, 405, 404, 404},
		"echo":                       {405, 204, 404, 404},
		"echo5":                      {405, 204, 404, 404},
		"gin":                        {404, 404, 307, 404},
		"gin HandleMethodNotAllowed": {405, 405, 307, 404},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret))
			require.NoError(t, err)
			router := post[name](hooks)
			body := hooktest.Fixture(t, sonzaihook.EventMessage)
			require.Equal(t, http.StatusOK, hooktest.Deliver(t, router, body, hooktest.To(path)).Code)
			require.Equal(t, want.slash, hooktest.Deliver(t, router, body, hooktest.To(path+"/")).Code)
			require.Equal(t, want.unknown, hooktest.Deliver(t, router, body, hooktest.To("/webhooks")).Code)
			for method, want := range map[string]int{http.MethodGet: want.get, http.MethodOptions: want.options} {
				got := httptest.NewRecorder()
				router.ServeHTTP(got, httptest.NewRequest(method, path, nil))
				require.Equal(t, want, got.Code, method)
			}
		})
	}
}
