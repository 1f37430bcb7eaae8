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

// BenchmarkCaptureAlone has no receiver behind it, but something that reads the
// body and tells an outcome: its whole time is the inspector's.
func BenchmarkCaptureAlone(b *testing.B) {
	i := New(receiver(b))
	defer i.Close()
	body, buf := message(b, 1600), make([]byte, 4<<10)
	out := sonzaihook.Outcome{Status: 200, Code: "processed", Type: "agent.message", DeliveryID: "evt_1", Source: "webhook"}
	answer := out.Body()
	h := i.Capture(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		for {
			if _, err := req.Body.Read(buf); err != nil {
				break
			}
		}
		i.observe(req.Context(), out)
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(answer)
	}))
	req := hooktest.NewRequest(b, body)
	req.Header.Set("User-Agent", "Sonzai-Webhooks/1.0")
	req.Header.Set("Accept-Encoding", "gzip")
	w, from := &quiet{http.Header{}}, bytes.NewReader(body)
	req.Body = io.NopCloser(from)
	b.ReportAllocs()
	started := cpuTime()
	for b.Loop() {
		from.Reset(body)
		h.ServeHTTP(w, req)
	}
	b.ReportMetric(float64(cpuTime()-started)/float64(b.N), "cpu-ns/op")
}

// serveMany delivers bodies of 2 KB that each have another identity. They are
// signed in batches, outside of what is measured.
func serveMany(b *testing.B, h http.Handler, forged bool) {
	const batch = 2000
	first := message(b, 1600)
	number := bytes.Index(first, []byte("evt_01JMSG"))
	now := time.Now()
	w := &quiet{http.Header{}}
	reqs := make([]*http.Request, batch)
	var computed time.Duration
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; done += batch {
		b.StopTimer()
		for n := range reqs {
			body := bytes.Clone(first)
			copy(body[number:], strconv.Itoa(1_000_000_000+done+n))
			header := sonzaihook.Sign(body, hooktest.Secret, now)
			if forged {
				header = header[:len(header)-4] + "0000"
			}
			reqs[n] = hooktest.NewRequest(b, body, hooktest.Unsigned())
			reqs[n].Header.Set(sonzaihook.SignatureHeader, header)
			reqs[n].Header.Set("User-Agent", "Sonzai-Webhooks/1.0")
		}
		started := cpuTime()
		b.StartTimer()
		for _, req := range reqs[:min(batch, b.N-done)] {
			h.ServeHTTP(w, req)
		}
		computed += cpuTime() - started
	}
	b.ReportMetric(float64(computed)/float64(b.N), "cpu-ns/op")
}

type quiet struct{ header http.Header }

func (q *quiet) Header() http.Header         { return q.header }
func (q *quiet) Write(b []byte) (int, error) { return len(b), nil }
func (q *quiet) WriteHeader(int)             {}
