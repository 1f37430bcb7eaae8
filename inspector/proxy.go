package inspector

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// What gives a proxy or a tunnel away. One that speaks HTTP/1.1, sends a Host of its
// choice and adds no header is not found out at the first request, only by what a
// browser says of the page when it asks for more.

// proxyHeaders are set by proxies and tunnels, the last ones as a prefix.
var (
	proxyHeaders = []string{
		"Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Cdn-Loop", "X-Originating-Ip",
		"X-Remote-Ip", "X-Remote-Addr", "Client-Ip", "X-Scheme", "X-Url-Scheme", "Front-End-Https", "X-Varnish", "Max-Forwards",
		"Surrogate-Capability", "X-Cloud-Trace-Context", "X-Request-Start", "Disguised-Host", "X-Rewrite-Url",
	}
	proxyPrefixes = []string{
		"X-Forwarded", "X-Original-", "X-Envoy-", "X-Proxy", "Proxy-", "Wl-Proxy-", "Cf-", "Fly-", "Fastly-", "Akamai-", "X-Akamai-", "Ngrok-",
		"X-Ngrok-", "Tailscale-", "X-Amzn-", "X-Amz-Cf-", "Cloudfront-", "X-Appengine-", "X-Azure-", "X-Arr-", "X-Appgw-", "X-Vercel-",
		"X-Nf-", "X-Railway-", "X-Kong-", "X-Traefik-", "X-Haproxy-", "X-Ssl-", "Ssl-Client-", "X-Incap-", "Incap-",
	}
)

// throughProxy reports whether a request did not come straight from a client here.
func (i *Inspector) throughProxy(req *http.Request) bool {
	for name := range req.Header {
		if slices.Contains(proxyHeaders, name) {
			return true
		}
		if slices.ContainsFunc(proxyPrefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			return true
		}
	}
	// nginx speaks HTTP/1.0 unless it is told otherwise, and adds no header; no browser does.
	if req.ProtoMajor == 1 && req.ProtoMinor == 0 {
		return true
	}
	return i.renamed(req.Header)
}

// renamed reports whether the browser knows the page by another name than those that
// it is served under: then something in between has changed the Host.
func (i *Inspector) renamed(header http.Header) bool {
	if site := header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return false // it comes from another page, whose name that is
	}
	for _, name := range []string{"Origin", "Referer"} {
		from, err := url.Parse(header.Get(name))
		if err == nil && from.Host != "" && !i.knows(from.Host) {
			return true
		}
	}
	return false
}
