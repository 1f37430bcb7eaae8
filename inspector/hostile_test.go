package inspector

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// Not parallel: it measures the memory of the whole process.
func TestALongQueryIsNotHeldOnTo(t *testing.T) {
	const deliveries, query = 64, 512 << 10
	i := New(receiver(t))
	server := httptest.NewServer(i.Capture(i.hooks))
	defer server.Close()
	target := server.URL + "/hooks?" + strings.Repeat("q", query)
	heap := func() uint64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := heap()
	for range deliveries {
		answer, err := http.Post(target, "application/json", strings.NewReader("{}"))
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusUnauthorized, answer.StatusCode)
	}
	http.DefaultClient.CloseIdleConnections()
	require.Eventually(t, func() bool { return i.shelf.count().n[refused] == deliveries }, 10*time.Second, time.Millisecond)
	require.Equal(t, "/hooks", i.shelf.get(deliveries).path)
	require.Eventually(t, func() bool { return heap() < before+deliveries*query/4 }, 10*time.Second, 50*time.Millisecond)
	runtime.KeepAlive(i)
}

func TestWhatABodyClaimsIsKeptInPart(t *testing.T) {
	t.Parallel()
	i := New(receiver(t))
	long := strings.Repeat("x", 100<<10)
	hooktest.Deliver(t, i.Capture(i.hooks), fmt.Appendf(nil, `{"event_type":%q,"agent_id":%q}`, long, long), hooktest.Tampered())
	of := i.shelf.get(1).read()
	require.LessOrEqual(t, len(of.typ)+len(of.agent), 2*longestClaim+10)
	require.NotEmpty(t, of.agent)
}

func TestAPageOfAHostileBodyIsSmall(t *testing.T) {
	t.Parallel()
	wrap := func(s string) []byte {
		return []byte(`{"event_type":"agent.message","agent_id":"a","data":` + s + `}`)
	}
	for name, body := range map[string][]byte{
		"marks":        wrap(`[` + strings.Repeat(`"`+strings.Repeat("a\u202e", 4000)+`",`, 24) + `1]`),
		"little marks": wrap(`{` + strings.Repeat(`"a":"`+strings.Repeat("a\u202e", 50)+`",`, 2400) + `"b":1}`),
		"deep":         wrap(strings.Repeat("[", 9990) + strings.Repeat("]", 9990)),
		"deeper":       wrap(strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000)),
		"many":         wrap("[" + strings.Repeat("1,", 100_000) + "1]"),
		"no UTF-8":     []byte(strings.Repeat("\xff\xfe", 500_000)),
		"zeros":        make([]byte, 1<<20),
		"too long":     wrap(`"` + strings.Repeat("x", 2<<20) + `"`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := New(receiver(t), WithSecrets(sonzaihook.Secret(hooktest.Secret)))
			hooktest.Deliver(t, i.Capture(i.hooks), body)
			hooktest.Deliver(t, i.Capture(i.hooks), body, hooktest.Tampered())
			for _, path := range []string{"/", "/deliveries/1", "/deliveries/2"} {
				ask := httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil)
				ask.RemoteAddr = "127.0.0.1:1"
				w := httptest.NewRecorder()
				i.Handler().ServeHTTP(w, ask)
				require.Equal(t, http.StatusOK, w.Code)
				require.Less(t, w.Body.Len(), 4<<20, path)
			}
		})
	}
}

func TestNamingWhatCannotBeShownTakesTimeInProportion(t *testing.T) {
	t.Parallel()
	least := func(n int) time.Duration {
		text, best := strings.Repeat("\xff", n), time.Hour
		for range 5 {
			started := time.Now()
			require.Len(t, chunks(text, n, false), 1)
			best = min(best, time.Since(started))
		}
		return best
	}
	short, long := least(16<<10), least(256<<10)
	require.Less(t, long, 100*short, "sixteen times as long; its square would be 256 times")
}
