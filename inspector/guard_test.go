package inspector_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/inspector"
)

func TestOnlyTheLoopbackInterfaceMayLook(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for address, want := range map[string]int{
		"127.0.0.1:1": 200, "127.8.9.10:1": 200, "[::1]:1": 200, "[::ffff:127.0.0.1]:1": 200,
		"10.0.0.1:1": 403, "192.168.1.2:1": 403, "[2001:db8::1]:1": 403, "203.0.113.9:443": 403,
		"@": 403, "": 403, "127.0.0.1": 403, "localhost:1": 403,
	} {
		paths := []string{"/", "/assets/style.css", "/send"}
		if want == http.StatusForbidden {
			paths = append(paths, "/events", "/deliveries/1") // a stream that is served does not end by itself
		}
		for _, path := range paths {
			answer := d.get(path, from(address))
			require.Equal(t, want, answer.Code, "%s from %q", path, address)
			if want == http.StatusForbidden {
				require.Contains(t, answer.Body.String(), "only clients on the loopback interface may look")
			}
		}
	}
}

func TestRequestsThroughAProxyAreRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, name := range []string{
		"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Anything",
		"X-Real-Ip", "Cf-Connecting-Ip", "True-Client-Ip", "X-Original-Url", "Ngrok-Trace-Id",
	} {
		answer := d.get("/", header(name, "1"))
		require.Equal(t, http.StatusForbidden, answer.Code, name)
		require.Contains(t, answer.Body.String(), "came through a proxy", name)
	}
	require.Equal(t, http.StatusOK, d.get("/", header("X-Request-Id", "1")).Code)
}

func TestAuthorizeDecidesWhoMayLook(t *testing.T) {
	t.Parallel()
	d := newDesk(t, inspector.WithAuthorize(func(req *http.Request) bool { return req.Header.Get("Authorization") == "let me in" }))
	far := []func(*http.Request){from("203.0.113.9:443"), host("tools.example.com"), header("X-Forwarded-For", "198.51.100.1")}
	require.Equal(t, http.StatusForbidden, d.get("/", far...).Code)
	require.Equal(t, http.StatusForbidden, d.get("/").Code, "loopback is not enough then")
	require.Equal(t, http.StatusOK, d.get("/", append(far, header("Authorization", "let me in"))...).Code)
}

func TestAnotherNameThatPointsHereIsRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for name, want := range map[string]int{
		"localhost": 200, "localhost:4041": 200, "LOCALHOST:1": 200, "app.localhost": 200, "127.0.0.1:4041": 200, "[::1]:4041": 200, "::1": 200,
		"attacker.example": 403, "attacker.example:4041": 403, "localhost.attacker.example": 403, "127.0.0.1.attacker.example": 403,
		"10.0.0.1": 403, "": 403, "localhost\x00": 403,
	} {
		require.Equal(t, want, d.get("/", host(name)).Code, "%q", name)
	}
	named := newDesk(t, inspector.WithHosts("Dev.Example"), inspector.WithAuthorize(func(*http.Request) bool { return true }))
	require.Equal(t, http.StatusOK, named.get("/", host("dev.example:80")).Code)
	require.Equal(t, http.StatusForbidden, named.get("/", host("attacker.example")).Code)
}

func TestAnotherSiteCanChangeNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.message()
	again := url.Values{"as": {"new"}}
	for name, change := range map[string]func(*http.Request){
		"cross-site": header("Sec-Fetch-Site", "cross-site"),
		"same-site":  header("Sec-Fetch-Site", "same-site"),
		"origin":     header("Origin", "https://attacker.example"),
		"null":       header("Origin", "null"),
		"port":       header("Origin", "http://localhost:3000"),
	} {
		require.Equal(t, http.StatusForbidden, d.post("/deliveries/1/replay", again, change).Code, name)
		require.Equal(t, http.StatusForbidden, d.post("/send", url.Values{"type": {"agent.message"}}, change).Code, name)
	}
	require.Equal(t, http.StatusForbidden, d.get("/deliveries/1", header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "no-cors")).Code)
	require.EqualValues(t, 1, d.ran.Load())
	require.Equal(t, http.StatusSeeOther, d.post("/deliveries/1/replay", again, header("Origin", "http://localhost:4041"), header("Sec-Fetch-Site", "same-origin")).Code)
	require.EqualValues(t, 2, d.ran.Load())
	for _, path := range []string{"/deliveries/1/replay", "/send?type=agent.message&as=new"} {
		d.get(path)
	}
	require.EqualValues(t, 2, d.ran.Load(), "a GET changes nothing")
}

func TestEveryAnswerHasThePolicy(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.message()
	for _, path := range []string{"/", "/deliveries/1", "/deliveries/9", "/send", "/faults", "/assets/live.js", "/assets/none", "/none", "/deliveries/1/body"} {
		h := d.get(path).Header()
		require.Contains(t, h.Get("Content-Security-Policy"), "default-src '", path)
		require.NotContains(t, h.Get("Content-Security-Policy"), "unsafe", path)
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		require.Equal(t, "no-store", h.Get("Cache-Control"), path)
		require.Equal(t, "same-origin", h.Get("Cross-Origin-Resource-Policy"), path)
	}
	require.Equal(t, "attachment; filename=\"delivery-1.json\"", d.get("/deliveries/1/body").Header().Get("Content-Disposition"))
	require.Contains(t, d.get("/", from("10.1.1.1:1")).Header().Get("Content-Security-Policy"), "default-src 'self'")
}

func TestThePageWorksBelowAnyPrefix(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.message()
	mux := http.NewServeMux()
	mux.Handle("/debug/sonzai/", d.page.Handler())
	mux.Handle("/stripped/", http.StripPrefix("/stripped", d.page.Handler()))
	mux.Handle("/bare", http.StripPrefix("/bare", d.page.Handler()))
	ask := func(path string) *httptest.ResponseRecorder {
		req := httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil)
		req.RemoteAddr = "127.0.0.1:1"
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, req)
		return w
	}
	for _, prefix := range []string{"/debug/sonzai", "/stripped"} {
		for _, path := range []string{"/", "/?show=refused", "/deliveries/1", "/deliveries/1/body", "/send", "/assets/style.css", "/assets/live.js", "/assets/icon.svg"} {
			require.Equal(t, http.StatusOK, ask(prefix+path).Code, prefix+path)
		}
		require.Equal(t, http.StatusNotFound, ask(prefix+"/else").Code)
		require.Equal(t, http.StatusNotFound, ask(prefix+"/deliveries/77").Code)
		require.NotContains(t, ask(prefix+"/").Body.String(), `href="/`)
		require.NotContains(t, ask(prefix+"/deliveries/1").Body.String(), `="/`)
	}
	require.Equal(t, "./bare/", ask("/bare").Header().Get("Location"))
}
