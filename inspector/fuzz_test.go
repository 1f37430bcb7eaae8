package inspector

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// Whatever arrives, every page of it is made, and none holds a character that
// would not show as itself, or a tag that is not the page's own.
func FuzzWhatArrivesIsShownAsText(f *testing.F) {
	for _, seed := range []string{
		`{"event_type":"agent.mood_change","data":{"valence":50,"delta_valence":-1,"label":"<b>"}}`, `{"event_type":"\u202e<script>","agent_id":"\u0000"}`,
		"\xff\xfe{", `[[[[1]]]]`, `{"a":{"b":[{"c":"\ud83d"}]},"":""}`, "\ufeff{}", `{"data":"{\"content\":1}"}`, `1e999`, "{\"a\u2028b\":\"c\u200d\"}",
	} {
		f.Add([]byte(seed), "t=1,v1=<i>\u202e", true)
		f.Add([]byte(seed), "v1=00", false)
	}
	f.Fuzz(func(t *testing.T, body []byte, header string, signed bool) {
		i := New(receiver(t), WithSecrets(sonzaihook.Secret(hooktest.Secret)))
		req := hooktest.NewRequest(t, body)
		if !signed {
			req.Header.Set("Sonzai-Signature", header)
			req.Header.Set("X-Other", header)
		}
		i.Capture(i.hooks).ServeHTTP(httptest.NewRecorder(), req)
		for _, path := range []string{"/", "/deliveries/1"} {
			ask := httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil)
			ask.RemoteAddr = "127.0.0.1:1"
			w := httptest.NewRecorder()
			i.Handler().ServeHTTP(w, ask)
			page := w.Body.String()
			if w.Code != http.StatusOK || !strings.HasSuffix(page, "</html>") {
				t.Fatalf("%s: %d, %d bytes", path, w.Code, len(page))
			}
			at := strings.IndexFunc(page, func(r rune) bool {
				return r != '\n' && r != '\t' && r != '\u200d' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) || r == unicode.ReplacementChar && !bytes.ContainsRune(body, r) && !strings.ContainsRune(header, r) && !bytes.Contains(body, []byte(`\u`))
			})
			if at >= 0 {
				t.Fatalf("%s shows %q", path, page[max(at-20, 0):min(at+20, len(page))])
			}
			if strings.Count(page, "<script") != 1 || strings.Contains(page, "<i>") || strings.Contains(page, "<b>") {
				t.Fatalf("%s has a tag that came from outside", path)
			}
		}
	})
}
