package inspector

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Who may look, and with what headers a page is answered.

// policy allows nothing but what the page itself serves, and no text to become
// code in any way that a browser knows.
const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

// guarded lets only those through who may look.
func (i *Inspector) guarded(next http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	origins.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "inspector: this request comes from another site", http.StatusForbidden)
	}))
	protected := origins.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "same-origin") // with no-referrer a form's Origin is null
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		if why := i.forbidden(req); why != "" {
			http.Error(w, "inspector: "+why, http.StatusForbidden)
			return
		}
		protected.ServeHTTP(w, req)
	})
}

// forbidden says why a client may not look, or nothing.
func (i *Inspector) forbidden(req *http.Request) string {
	site, mode := req.Header.Get("Sec-Fetch-Site"), req.Header.Get("Sec-Fetch-Mode")
	if site == "cross-site" && mode != "navigate" {
		return "another site asks for this"
	}
	if !i.knows(req.Host) {
		return "this host name is not one of those that the page is served under"
	}
	if i.authorize != nil {
		if !i.authorize(req) {
			return "not authorized"
		}
		return ""
	}
	if !isLoopback(req.RemoteAddr) {
		return "only clients on the loopback interface may look"
	}
	if i.throughProxy(req) {
		return "this came through a proxy, behind which everybody has a loopback address"
	}
	return ""
}

// knows reports whether the page is served under a host name. Under another one the
// request may come from a site whose owner lets its name point here.
func (i *Inspector) knows(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	switch {
	case slices.Contains(i.hosts, host):
		return true
	case i.authorize != nil && len(i.hosts) == 0:
		return true
	case host == "localhost" || strings.HasSuffix(host, ".localhost") && strings.Trim(host, nameBytes) == "":
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// nameBytes may stand in the name of a host.
const nameBytes = "abcdefghijklmnopqrstuvwxyz0123456789-_."

func isLoopback(address string) bool {
	at, err := netip.ParseAddrPort(address)
	return err == nil && at.Addr().Unmap().IsLoopback()
}
