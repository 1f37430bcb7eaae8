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
		"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Anything", "X-Forwarded",
		"X-Real-IP", "x-real-ip", "X-Client-IP", "X-Cluster-Client-IP", "Client-IP", "True-Client-IP", "X-Originating-IP", "X-Remote-IP",
		"X-Remote-Addr", "CDN-Loop", "CF-Connecting-IP", "CF-Ray", "X-Original-URL", "X-Rewrite-URL", "X-ProxyUser-Ip", "Proxy-Connection",
		"Proxy-Authorization", "Proxy-Client-IP", "WL-Proxy-Client-IP", "Fastly-Client-IP", "Fly-Client-IP", "Akamai-Origin-Hop", "X-Akamai-Edgescape",
		"X-Envoy-External-Address", "X-Amzn-Trace-Id", "X-Amz-Cf-Id", "CloudFront-Viewer-Address", "X-AppEngine-User-IP", "X-Cloud-Trace-Context",
		"X-Azure-ClientIP", "X-ARR-SSL", "X-AppGW-Trace-Id", "Disguised-Host", "X-Vercel-Id", "X-NF-Client-Connection-IP", "X-Railway-Edge",
		"Ngrok-Trace-Id", "X-Ngrok-Anything", "Tailscale-User-Login", "X-Varnish", "X-Scheme", "X-Url-Scheme", "Front-End-Https", "Max-Forwards",
		"Surrogate-Capability", "X-Request-Start", "X-Kong-Proxy-Latency", "X-Traefik-Router", "X-HAProxy-Server-State", "X-SSL-Client-Verify",
		"SSL-Client-Cert", "X-Incap-Client-IP", "Incap-Client-IP",
	} {
		for _, value := range []string{"1", "127.0.0.1", ""} {
			answer := d.get("/", header(name, value))
			require.Equal(t, http.StatusForbidden, answer.Code, name)
			require.Contains(t, answer.Body.String(), "came through a proxy", name)
		}
	}
	for _, name := range []string{"X-Request-Id", "Accept-Language", "Cookie", "Sec-Ch-Ua", "Dnt", "Priority", "Upgrade-Insecure-Requests", "Traceparent"} {
		require.Equal(t, http.StatusOK, d.get("/", header(name, "1")).Code, name)
	}
}

// As nginx with nothing but a proxy_pass: the Host is that of the page, and no header
// is added.
func TestAProxyThatHidesItselfIsRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.message()
	old := func(req *http.Request) { req.Proto, req.ProtoMinor = "HTTP/1.0", 0 }
	for name, change := range map[string][]func(*http.Request){
		"HTTP/1.0":                 {old},
		"the name of the page":     {header("Sec-Fetch-Site", "same-origin"), header("Referer", "https://tools.example.com/inspector/")},
		"an older browser":         {header("Referer", "http://192.0.2.2:8089/")},
		"no page but an address":   {header("Referer", "http://192.0.2.2:8089")},
		"the origin of a stream":   {header("Sec-Fetch-Site", "same-origin"), header("Origin", "https://tools.example.com")},
		"another name of loopback": {header("Sec-Fetch-Site", "same-origin"), header("Referer", "http://localhost.tools.example.com/")},
	} {
		for _, path := range []string{"/", "/deliveries/1", "/deliveries/1/body", "/assets/live.js"} {
			answer := d.get(path, change...)
			require.Equal(t, http.StatusForbidden, answer.Code, name)
			require.Contains(t, answer.Body.String(), "came through a proxy", name)
		}
	}
	again := url.Values{"as": {"new"}}
	public := header("Origin", "https://tools.example.com")
	require.Equal(t, http.StatusForbidden, d.post("/deliveries/1/replay", again, public, header("Sec-Fetch-Site", "same-origin")).Code)
	require.EqualValues(t, 1, d.ran.Load())

	for name, change := range map[string][]func(*http.Request){
		"its own page":                  {header("Sec-Fetch-Site", "same-origin"), header("Referer", "http://localhost:4041/")},
		"its own page by another name":  {header("Referer", "http://[::1]:4041/deliveries/1")},
		"a link on another site":        {header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "navigate"), header("Referer", "https://docs.example.com/")},
		"an address that was typed":     {header("Sec-Fetch-Site", "none")},
		"a Referer that is no address":  {header("Referer", "about:blank")},
		"a Referer that cannot be read": {header("Referer", "http://%zz/")},
	} {
		require.Equal(t, http.StatusOK, d.get("/", change...).Code, name)
	}
	allowed := newDesk(t, inspector.WithAuthorize(func(*http.Request) bool { return true }))
	require.Equal(t, http.StatusOK, allowed.get("/", old, header("Via", "1.1 proxy"), header("Referer", "https://tools.example.com/")).Code)
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
		"[::1]": 200, "localhost.": 200, "localhost.:4041": 200, "LocalHost.:80": 200, "127.0.0.1.": 200, "[::ffff:127.0.0.1]:4041": 200,
		"[0:0:0:0:0:0:0:1]:4041": 200, "127.8.9.10": 200,
		"0.0.0.0": 403, "0.0.0.0:4041": 403, "[::]:4041": 403, "127.1": 403, "2130706433": 403, "0x7f.0.0.1": 403, "localhost..": 403, "localhost:x:1": 403,
		"localhost@attacker.example": 403, "attacker.example#localhost": 403, "attacker.example/.localhost:1": 403, "a-b.app.localhost": 200, "[::2]:4041": 403, "localhost, attacker.example": 403,
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
