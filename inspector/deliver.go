package inspector

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// How a sample reaches the receiver: as a delivery of the platform would.

// deliver signs a body and gives it to the captured handler, as the platform would.
// It returns the number under which that was kept.
func (i *Inspector) deliver(ctx context.Context, typ string, body []byte, flaw string) uint64 {
	secret, _ := i.signer(text(members(body)["project_id"]), typ)
	at, signed := i.time(), body
	switch flaw {
	case "tampered":
		signed = append(bytes.Clone(body), ' ')
	case "stale":
		at = at.Add(-time.Hour)
	case "foreign":
		secret = rand.Text()
	}
	target := "/webhooks/sonzai"
	if path := i.path.Load(); path != nil {
		target = *path
	}
	seq := new(uint64)
	ctx = context.WithValue(context.WithValue(bare{ctx}, originKey{}, sample), numberKey{}, seq)
	to := &url.URL{Path: target}
	req := (&http.Request{
		Method: http.MethodPost, URL: to, RequestURI: to.EscapedPath(), Host: "localhost", RemoteAddr: "127.0.0.1:0",
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/json"}, "User-Agent": {"sonzaihook-inspector"}},
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
	}).WithContext(ctx)
	req.SetPathValue("event", typ)
	if flaw != "unsigned" {
		req.Header.Set(sonzaihook.SignatureHeader, sonzaihook.Sign(signed, secret, at))
	}
	if i.authorization != "" {
		req.Header.Set("Authorization", i.authorization)
	}
	i.target.Load().ServeHTTP(nowhere{}, req)
	return *seq
}

// bare is a context without its values: those of the page's request, such as a
// router's, must not be taken for the delivery's.
type bare struct{ context.Context }

func (bare) Value(any) any { return nil }

// nowhere takes an answer; the page shows what was captured of it.
type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) WriteHeader(int)             {}
