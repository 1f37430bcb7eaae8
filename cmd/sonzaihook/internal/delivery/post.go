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
	Receiver bool   // it has the form of a receiver's answer
	Location string // where a redirect leads, without credentials and query
}

// Redirected says where a redirect leads, which the platform does not follow, and
// nothing about another answer.
func (r Reply) Redirected() string {
	switch {
	case r.Status < 300 || r.Status > 399:
		return ""
	case r.Location == "":
		return "not followed"
	}
	return "not followed to " + r.Location
}

// locationOf returns where a redirect leads.
func locationOf(resp *http.Response) string {
	to, err := resp.Location()
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: to.Scheme, Host: to.Host, Path: to.Path}).String()
}

// ReplyOf returns what an answer says, of whose body the beginning was read.
func ReplyOf(resp *http.Response, answer []byte, took time.Duration) Reply {
	return Reply{
		Status: resp.StatusCode, Code: CodeOf(answer), Duration: took,
		Receiver: ofReceiver(resp.StatusCode, answer), Location: locationOf(resp),
	}
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
		return Reply{}, unanswered(req.URL, Reason(err, client.Timeout))
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, LargestAnswer))
	if err != nil {
		return Reply{}, unanswered(req.URL, Reason(err, client.Timeout))
	}
	return ReplyOf(resp, answer, time.Since(start)), nil
}

// NewClient returns a client that, like the platform, follows no redirect.
func NewClient(timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Reason says why there was no answer, without repeating the request.
func Reason(err error, timeout time.Duration) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("none within %v", timeout)
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	return err
}

func unanswered(target *url.URL, err error) error {
	return fmt.Errorf("no answer from %s: %w", target.Redacted(), err)
}
