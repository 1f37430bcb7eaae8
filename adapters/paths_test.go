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

// pathProject is what an adapter's body tells the receiver of the path.
type pathProject interface{ PathProject() string }

// spied mounts a receiver at a path with a project and an event. Just outside of
// the adapter, see is called with the request that the adapter has prepared.
var spied = map[string]func(r *sonzaihook.Receiver, see func(*http.Request)) http.Handler{
	"nethttp": func(r *sonzaihook.Receiver, see func(*http.Request)) http.Handler {
		routes := http.NewServeMux()
		routes.Handle("/webhooks/sonzai/{project}/{event}", spy(see)(httphook.Handler(r)))
		return routes
	},
	"chi": func(r *sonzaihook.Receiver, see func(*http.Request)) http.Handler {
		router := chi.NewRouter()
		router.With(spy(see)).Handle("/webhooks/sonzai/{project}/{event}", httphook.Handler(r))
		return router
	},
	"gorilla": func(r *sonzaihook.Receiver, see func(*http.Request)) http.Handler {
		router := mux.NewRouter()
		router.Use(httphook.PathValues(mux.Vars), spy(see))
		router.Handle("/webhooks/sonzai/{project}/{event}", httphook.Handler(r))
		return router
	},
	"echo": func(r *sonzaihook.Receiver, see func(*http.Request)) http.Handler {
		e := echo.New()
		e.Any("/webhooks/sonzai/:project/:event", func(c echo.Context) error {
			defer see(c.Request())
			return echohook.Handler(r)(c)
		})
		return e
	},
	"echo5": func(r *sonzaihook.Receiver, see func(*http.Request)) http.Handler {
		e := echo5.New()
		e.Any("/webhooks/sonzai/:project/:event", func(c *echo5.Context) error {
			defer see(c.Request())
			return echo5hook.Handler(r)(c)
		})
		return e
	},
	"gin": func(r *sonzaihook.Receiver, see func(*http.Request)) http.Handler {
		router := gin.New()
		router.Any("/webhooks/sonzai/:project/:event", func(c *gin.Context) {
			defer see(c.Request)
			ginhook.Handler(r)(c)
		})
		return router
	},
}

func spy(see func(*http.Request)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			see(r)
		})
	}
}

func TestTheReceiverIsToldTheProjectInThePath(t *testing.T) {
	t.Parallel()
	for framework, serve := range spied {
		for _, c := range []struct{ path, project string }{
			{"proj_1/agent.message", "proj_1"},
			{"proj%3A1/agent%2Emessage", "proj:1"},
			{"100%25/agent.message", "100%"},
			{"a%252Fb/agent.message", "a%2Fb"},
		} {
			t.Run(framework+" "+c.path, func(t *testing.T) {
				t.Parallel()
				hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret))
				require.NoError(t, err)
				seen := 0
				router := serve(hooks, func(r *http.Request) {
					seen++
					names, ok := r.Body.(pathProject)
					require.True(t, ok, "%T", r.Body)
					require.Equal(t, c.project, names.PathProject())
				})
				body := hooktest.Fixture(t, sonzaihook.EventMessage)
				hooktest.Deliver(t, router, body, hooktest.Unsigned(), hooktest.To("/webhooks/sonzai/"+c.path))
				require.Equal(t, 1, seen)
			})
		}
	}
}

func TestAPathWithoutAProjectNamesNone(t *testing.T) {
	t.Parallel()
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret))
	require.NoError(t, err)
	req := hooktest.NewRequest(t, hooktest.Fixture(t, sonzaihook.EventMessage), hooktest.Unsigned(), hooktest.To("/hooks/agent.message"))
	httphook.Handler(hooks).ServeHTTP(httptest.NewRecorder(), req)
	require.Empty(t, req.Body.(pathProject).PathProject())
}
