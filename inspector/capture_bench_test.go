package inspector

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// BenchmarkCapture sets the receiver by itself beside the captured one: what is
// between them is what the inspector costs a delivery.
func BenchmarkCapture(b *testing.B) {
	for _, c := range []struct {
		name    string
		pages   int
		capture bool
		forged  bool
	}{
		{"bare", 0, false, false},
		{"captured", 0, true, false},
		{"captured/pages=1", 1, true, false},
		{"captured/pages=1000", 1000, true, false},
		{"forged/bare", 0, false, true},
		{"forged/captured", 0, true, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			hooks := receiver(b)
			var h http.Handler = hooks
			if c.capture {
				i := New(hooks)
				h = i.Capture(hooks)
				for range c.pages { // pages that take nothing are the worst
					if _, ok := i.live.enter(); !ok {
						b.Fatal("a page was refused")
					}
				}
				defer i.Close()
			}
			serveMany(b, h, c.forged)
		})
	}
}

// serveMany delivers bodies of 2 KB that each have another identity.
func serveMany(b *testing.B, h http.Handler, forged bool) {
	body := message(b, 1600)
	number := bytes.Index(body, []byte("evt_01JMSG"))
	now := time.Now()
	req := hooktest.NewRequest(b, body)
	req.Header.Set("User-Agent", "Sonzai-Webhooks/1.0")
	req.Header.Set("Accept-Encoding", "gzip")
	w := &quiet{http.Header{}}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		copy(body[number:], strconv.Itoa(1_000_000_000+n))
		header := sonzaihook.Sign(body, hooktest.Secret, now)
		if forged {
			header = header[:len(header)-4] + "0000"
		}
		req.Header[sonzaihook.SignatureHeader] = []string{header}
		req.Body = io.NopCloser(bytes.NewReader(body))
		b.StartTimer()
		h.ServeHTTP(w, req)
	}
}

type quiet struct{ header http.Header }

func (q *quiet) Header() http.Header         { return q.header }
func (q *quiet) Write(b []byte) (int, error) { return len(b), nil }
func (q *quiet) WriteHeader(int)             {}
