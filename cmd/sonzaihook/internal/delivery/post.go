package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// SignedRequest is one delivery as the platform would send it.
type SignedRequest struct {
	URL           string
	Body          []byte
	Signature     string
	Authorization string // the Authorization header, none if empty
}

// Reply is what a server answered.
type Reply struct {
	Status   int
	Code     string // the code in the body of the answer, empty where it has none
	Duration time.Duration
}

// Accepted reports whether the platform would take the delivery for done.
func (r Reply) Accepted() bool { return r.Status >= 200 && r.Status < 300 }

// LargestAnswer is how much of an answer is read; the receiver's have under 200
// bytes.
const LargestAnswer = 64 << 10

// Post sends a request. An error means that there was no answer; it wraps the
// reason and does not repeat headers.
func Post(ctx context.Context, client *http.Client, p SignedRequest) (Reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL, bytes.NewReader(p.Body))
	if err != nil {
		return Reply{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "sonzaihook")
	req.Header.Set(sonzaihook.SignatureHeader, p.Signature)
	if p.Authorization != "" {
		req.Header.Set("Authorization", p.Authorization)
	}
	start := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return Reply{}, unanswered(p.URL, err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, LargestAnswer))
	if err != nil {
		return Reply{}, unanswered(p.URL, err)
	}
	return Reply{Status: resp.StatusCode, Code: CodeOf(answer), Duration: time.Since(start)}, nil
}

// NewClient returns a client that, like the platform, follows no redirect.
func NewClient(timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func unanswered(target string, err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return fmt.Errorf("no answer from %s: %w", target, err)
}
