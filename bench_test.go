package sonzaihook_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
	"github.com/stretchr/testify/require"
)

// The benchmarks that compare do so within one run: the contenders take turns in
// short rounds, and what is reported is a ratio, which a noisy machine changes
// less than it changes a time.

// BenchmarkAccepted compares an accepted delivery of 2 KB with the floor: a bare
// handler that reads into a pooled buffer, checks with a pre-keyed HMAC and
// decodes once with the same decoder. Metrics: floor-ns/op, and x/floor.
func BenchmarkAccepted(b *testing.B) {
	for _, store := range []struct {
		name    string
		options func() []sonzaihook.Option
	}{
		{"memory store", func() []sonzaihook.Option { return nil }},
		{"no store", func() []sonzaihook.Option { return []sonzaihook.Option{sonzaihook.WithStore(nil)} }},
	} {
		b.Run(store.name, func(b *testing.B) {
			deliveries := newDeliveries(b, 1024, 2<<10)
			var ours, floor time.Duration
			for b.Loop() {
				ours += deliveries.time(newReceiver(b, store.options()...))
				floor += deliveries.time(newFloor())
			}
			report(b, len(deliveries), ours, floor)
		})
	}
}

// BenchmarkVerify compares Verify with an HMAC that was keyed before, over the
// same bytes. Verify reads the header, checks its time and compares besides.
func BenchmarkVerify(b *testing.B) {
	for _, size := range []int{400, 2 << 10, 16 << 10, 256 << 10} {
		body, at := bytes.Repeat([]byte("a"), size), time.Now()
		header, t := sonzaihook.Sign(body, hooktest.Secret, at), strconv.FormatInt(at.Unix(), 10)
		keyed, times := newKeyed(), 1+(256<<10)/size
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			var ours, floor time.Duration
			b.ReportAllocs()
			for b.Loop() {
				start := time.Now()
				for range times {
					if err := sonzaihook.Verify(body, header, hooktest.Secret, at, sonzaihook.DefaultTolerance); err != nil {
						b.Fatal(err)
					}
				}
				between := time.Now()
				for range times {
					keyed.sum(t, body)
				}
				ours += between.Sub(start)
				floor += time.Since(between)
			}
			report(b, times, ours, floor)
		})
	}
}

func report(b *testing.B, each int, ours, floor time.Duration) {
	n := float64(b.N * each)
	b.ReportMetric(float64(ours)/n, "ns/delivery")
	b.ReportMetric(float64(floor)/n, "floor-ns/delivery")
	b.ReportMetric(float64(ours)/float64(floor), "x/floor")
	b.ReportMetric(0, "ns/op")
}

func newReceiver(tb testing.TB, options ...sonzaihook.Option) http.Handler {
	options = append(options, sonzaihook.WithLogger(slog.New(slog.DiscardHandler)))
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret), options...)
	require.NoError(tb, err)
	hooks.OnMemoryAdded(func(context.Context, *sonzaihook.MemoryAddedEvent) error { return nil })
	return hooks
}

// benchBody returns an event of about the given size, with a separate id.
func benchBody(id, size int) []byte {
	var entities []string
	for n := 700; n < size; n += 42 {
		entities = append(entities, fmt.Sprintf("something that was said, number %04d", n))
	}
	list, err := json.Marshal(entities)
	if err != nil {
		panic(err)
	}
	return fmt.Appendf(nil, `{"event_type":"agent.memory_added","event_id":"evt_%08d","agent_id":"agent_luna","user_id":"user_42",`+
		`"project_id":"proj_demo","created_at":"2026-03-01T09:30:00Z","data":{"fact_id":"fact_91bd","atomic_text":%q,`+
		`"fact_type":"relationship","importance":0.8,"confidence":0.95,"sentiment":"positive","entities":%s,`+
		`"topic_tags":["family","music"],"session_id":"sess_5510","node_id":"node_12","created_at":"2026-03-01T09:30:00Z"}}`,
		id, strings.Repeat("The user's sister plays the cello. ", 4), list)
}

// deliveries are requests that can be sent again and again.
type deliveries []*http.Request

func newDeliveries(tb testing.TB, n, size int) deliveries {
	var ds deliveries
	for i := range n {
		body := benchBody(i, size)
		req := hooktest.NewRequest(tb, body)
		req.Body = &repeatable{Reader: bytes.NewReader(body)}
		ds = append(ds, req)
	}
	return ds
}

type repeatable struct{ *bytes.Reader }

func (*repeatable) Close() error { return nil }

// time sends every request once and returns how long that took.
func (ds deliveries) time(handler http.Handler) time.Duration {
	w := &recorder.Answer{}
	start := time.Now()
	for _, req := range ds {
		if _, err := req.Body.(*repeatable).Seek(0, io.SeekStart); err != nil {
			panic(err)
		}
		w.Status = 0
		handler.ServeHTTP(w, req)
		if w.Status != http.StatusOK {
			panic(w.Status)
		}
	}
	return time.Since(start)
}

// floor is the least that a receiver can do.
type floor struct {
	buffers sync.Pool
	keyed   sync.Pool
}

func newFloor() *floor {
	return &floor{
		buffers: sync.Pool{New: func() any { return new(bytes.Buffer) }},
		keyed:   sync.Pool{New: func() any { return newKeyed() }},
	}
}

type floorEvent struct {
	EventType string                 `json:"event_type"`
	EventID   string                 `json:"event_id"`
	AgentID   string                 `json:"agent_id"`
	UserID    string                 `json:"user_id"`
	ProjectID string                 `json:"project_id"`
	CreatedAt time.Time              `json:"created_at"`
	Data      sonzaihook.MemoryAdded `json:"data"`
}

func (f *floor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b := f.buffers.Get().(*bytes.Buffer)
	defer f.buffers.Put(b)
	b.Reset()
	if _, err := b.ReadFrom(r.Body); err != nil {
		panic(err)
	}
	t, v1, _ := strings.Cut(strings.TrimPrefix(r.Header.Get(sonzaihook.SignatureHeader), "t="), ",v1=")
	mac, err := hex.DecodeString(v1)
	if err != nil {
		panic(err)
	}
	k := f.keyed.Get().(*keyed)
	defer f.keyed.Put(k)
	if !hmac.Equal(mac, k.sum(t, b.Bytes())) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	event := new(floorEvent)
	if err := jsonv2.Unmarshal(b.Bytes(), event); err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(w, "{}")
}

// keyed is an HMAC that is keyed once.
type keyed struct {
	hash hash.Hash
	text []byte
	out  []byte
}

func newKeyed() *keyed {
	return &keyed{hash: hmac.New(sha256.New, []byte(strings.TrimPrefix(hooktest.Secret, "whsec_")))}
}

func (k *keyed) sum(t string, body []byte) []byte {
	k.hash.Reset()
	k.text = append(append(k.text[:0], t...), '.')
	k.hash.Write(k.text)
	k.hash.Write(body)
	k.out = k.hash.Sum(k.out[:0])
	return k.out
}
