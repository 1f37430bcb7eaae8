package hooktest_test

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
	"github.com/stretchr/testify/require"
)

func TestEveryTypeHasTwoFixturesThatAReceiverTakes(t *testing.T) {
	t.Parallel()
	for _, typ := range sonzaihook.EventTypes() {
		for _, body := range [][]byte{hooktest.Fixture(t, typ), hooktest.FlatFixture(t, typ)} {
			hooks := recorder.New(t, nil)
			d, err := hooks.Verify(hooktest.NewRequest(t, body))
			require.NoError(t, err)
			require.Equal(t, typ, d.Type)
		}
		require.NotEqual(t, string(hooktest.Fixture(t, typ)), string(hooktest.FlatFixture(t, typ)))
	}
	require.NotContains(t, string(hooktest.BareWakeup(t)), "agent.wakeup")
}

func TestEachOptionMakesTheDeliveryItSays(t *testing.T) {
	t.Parallel()
	clock := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		options []hooktest.Option
		setup   []sonzaihook.Option
		status  int
		runs    int
	}{
		"none":          {nil, nil, 200, 1},
		"tampered":      {[]hooktest.Option{hooktest.Tampered()}, nil, 401, 0},
		"stale":         {[]hooktest.Option{hooktest.Stale()}, nil, 401, 0},
		"unsigned":      {[]hooktest.Option{hooktest.Unsigned()}, nil, 401, 0},
		"wrong secret":  {[]hooktest.Option{hooktest.SignedWith("whsec_other")}, nil, 401, 0},
		"rotated":       {[]hooktest.Option{hooktest.SignedWith("whsec_other", hooktest.Secret)}, nil, 200, 1},
		"repeated":      {[]hooktest.Option{hooktest.Repeated()}, nil, 200, 1},
		"at":            {[]hooktest.Option{hooktest.At(clock)}, []sonzaihook.Option{sonzaihook.WithClock(func() time.Time { return clock })}, 200, 1},
		"stale at":      {[]hooktest.Option{hooktest.At(clock), hooktest.Stale()}, []sonzaihook.Option{sonzaihook.WithClock(func() time.Time { return clock })}, 401, 0},
		"authorization": {[]hooktest.Option{hooktest.Authorization("Bearer x")}, []sonzaihook.Option{sonzaihook.WithAuthorization("Bearer x")}, 200, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hooks := recorder.New(t, nil, c.setup...).HandleAll(nil)
			answer := hooktest.Deliver(t, hooks, hooktest.Fixture(t, sonzaihook.EventMessage), c.options...)
			require.Equal(t, c.status, answer.Code)
			require.Equal(t, c.runs, hooks.Runs.Len())
			if name == "repeated" {
				require.Contains(t, answer.Body.String(), "duplicate")
			}
		})
	}
}

func TestToSendsToAPath(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("/hooks/{event}", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		require.Equal(t, "agent.wakeup", r.PathValue("event"))
	})
	require.Equal(t, http.StatusTeapot, hooktest.Deliver(t, mux, nil, hooktest.To("/hooks/agent.wakeup")).Code)
}

// fatal records that a test was failed instead of failing it.
type fatal struct {
	testing.TB
	said string
}

func (f *fatal) Helper() {}
func (f *fatal) Fatalf(format string, _ ...any) {
	f.said = format
	panic(f)
}

func TestFixtureOfAnotherTypeFailsTheTest(t *testing.T) {
	t.Parallel()
	f := &fatal{}
	require.PanicsWithValue(t, f, func() { hooktest.Fixture(f, "lead.enriched") })
	require.Contains(t, f.said, "no fixture")
}

// What a user's tests import must not bring an assertion library along.
func TestKitNeedsNothingButTheModuleAndItsDecoder(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", ".").Output()
	require.NoError(t, err)
	for path := range strings.FieldsSeq(string(out)) {
		require.Contains(t, []string{"github.com/sonzaihook/sonzaihook", "github.com/go-json-experiment/json"}, path)
	}
}
