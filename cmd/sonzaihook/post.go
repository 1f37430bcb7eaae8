package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// parcel is one delivery as the platform would send it.
type parcel struct {
	url           string
	body          []byte
	signature     string
	authorization string // the Authorization header, none if empty
}

// reply is what a server answered.
type reply struct {
	status   int
	code     string // the code in the body of the answer, empty where it has none
	duration time.Duration
}

func (r reply) accepted() bool { return r.status >= 200 && r.status < 300 }

// largestAnswer is how much of an answer is read; the receiver's have under 200
// bytes.
const largestAnswer = 64 << 10

// post delivers a parcel. Like the platform it follows no redirect.
func post(ctx context.Context, client *http.Client, p parcel) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(p.body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "sonzaihook")
	req.Header.Set(sonzaihook.SignatureHeader, p.signature)
	if p.authorization != "" {
		req.Header.Set("Authorization", p.authorization)
	}
	start := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, unanswered(p.url, err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, largestAnswer))
	if err != nil {
		return reply{}, unanswered(p.url, err)
	}
	return reply{status: resp.StatusCode, code: codeOf(answer), duration: time.Since(start)}, nil
}

func newClient(timeout time.Duration) *http.Client {
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

// wellFormedCode keeps a server from writing anything else to the terminal.
var wellFormedCode = regexp.MustCompile(`^[a-z_]{1,40}$`)

func codeOf(answer []byte) string {
	var document struct {
		Code string `json:"code"`
	}
	if json.Unmarshal(answer, &document) != nil || !wellFormedCode.MatchString(document.Code) {
		return ""
	}
	return document.Code
}
