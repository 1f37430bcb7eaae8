package sonzaiapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// call is one call of the platform.
type call struct {
	method  string
	path    []string // segments, not escaped yet
	query   url.Values
	body    any
	secrets []string // what of the body must not be printed
}

func get(path ...string) call    { return call{method: http.MethodGet, path: path} }
func put(path ...string) call    { return call{method: http.MethodPut, path: path} }
func post(path ...string) call   { return call{method: http.MethodPost, path: path} }
func remove(path ...string) call { return call{method: http.MethodDelete, path: path} }

// escaped is the path below the base URL.
func (k call) escaped() string {
	var b strings.Builder
	for _, segment := range k.path {
		b.WriteString("/" + url.PathEscape(segment))
	}
	return b.String()
}

// check refuses segments that would change which path a server sees.
func (k call) check() error {
	for _, segment := range k.path {
		if segment == "" || segment == "." || segment == ".." {
			return errors.New(`an id or event type must not be empty, "." or ".."`)
		}
	}
	return nil
}

// fail is an error of the call that has no answer of the platform.
func (k call) fail(kind, cause error) *Error {
	e := &Error{Method: k.method, Path: k.escaped(), cause: cause}
	if kind != nil {
		e.kinds = []error{kind}
	}
	return e
}

// ended is a call that its context stopped.
func (k call) ended(ctx context.Context) *Error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if !errors.Is(cause, err) {
		cause = fmt.Errorf("%w: %w", err, cause)
	}
	return k.fail(nil, cause)
}

// unanswered is a call whose answer did not come, or not whole.
func (k call) unanswered(ctx context.Context, err error) *Error {
	if ctx.Err() != nil {
		return k.ended(ctx)
	}
	return k.fail(ErrUnavailable, withoutURL(err))
}

// invalid is a call that is not sent, because it is wrong.
func (k call) invalid(format string, args ...any) *Error {
	return k.fail(ErrInvalidRequest, fmt.Errorf(format, args...))
}

// do sends the call, tries again where that is safe, and decodes the answer
// into out, which may be nil.
func (c *Client) do(ctx context.Context, k call, out any) error {
	if err := k.check(); err != nil {
		return k.fail(ErrInvalidRequest, err)
	}
	if ctx.Err() != nil {
		return k.ended(ctx)
	}
	var body []byte
	if k.body != nil {
		encoded, err := json.Marshal(k.body)
		if err != nil {
			return k.fail(ErrInvalidRequest, err)
		}
		body = encoded
	}
	return c.retry(ctx, k, func() error { return c.try(ctx, k, body, out) })
}

// try sends the call once. What it returns is an *Error.
func (c *Client) try(ctx context.Context, k call, body []byte, out any) error {
	caller := ctx
	if c.settings.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.settings.timeout)
		defer cancel()
	}
	request, err := c.request(ctx, k, body)
	if err != nil {
		return k.fail(ErrInvalidRequest, err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return k.unanswered(caller, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, c.settings.maxAnswer+1))
	switch {
	case err != nil:
		return k.unanswered(caller, err)
	case int64(len(answer)) > c.settings.maxAnswer:
		return k.fail(ErrAnswerTooLarge, fmt.Errorf("more than %d bytes", c.settings.maxAnswer))
	case response.StatusCode < 200 || response.StatusCode > 299:
		return c.problem(k, response, answer)
	}
	return decode(k, response, answer, out)
}

func (c *Client) request(ctx context.Context, k call, body []byte) (*http.Request, error) {
	address := c.address(k.escaped())
	if len(k.query) > 0 {
		address += "?" + k.query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, k.method, address, bytes.NewReader(body))
	if err != nil {
		return nil, withoutURL(err)
	}
	request.Header.Set("Accept", "application/json, application/problem+json")
	request.Header.Set("User-Agent", "sonzaihook-go")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	c.authorize(request)
	return request, nil
}

// withoutURL takes the address out of an error of net/http.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// decode reads a good answer.
func decode(k call, response *http.Response, answer []byte, out any) error {
	if out == nil || response.StatusCode == http.StatusNoContent {
		return nil
	}
	e := k.fail(ErrNotJSON, nil)
	e.Status = response.StatusCode
	if !isJSON(response.Header, answer) {
		return e
	}
	if err := json.Unmarshal(answer, out); err != nil {
		e.cause = fmt.Errorf("unexpected answer: %w", err)
		return e
	}
	return nil
}

// isJSON also takes an answer without a content type that looks like JSON.
func isJSON(header http.Header, answer []byte) bool {
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return json.Valid(answer)
	}
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}

// problem reads an answer that is not a good one.
func (c *Client) problem(k call, response *http.Response, answer []byte) *Error {
	e := k.fail(kindOf(response.StatusCode), nil)
	e.Status = response.StatusCode
	e.RetryAfter = retryAfter(response.Header)
	var document struct {
		Type, Title, Detail, Instance string
		Errors                        []ErrorDetail
	}
	switch {
	case !isJSON(response.Header, answer):
		if len(answer) > 0 {
			e.kinds = append(e.kinds, ErrNotJSON)
		}
		return e
	case json.Unmarshal(answer, &document) != nil:
		e.kinds = append(e.kinds, ErrNotJSON)
		return e
	}
	e.Type, e.Title = c.foreign(k, document.Type), c.foreign(k, document.Title)
	e.Detail, e.Instance = c.foreign(k, document.Detail), c.foreign(k, document.Instance)
	for _, fault := range document.Errors {
		e.Errors = append(e.Errors, ErrorDetail{c.foreign(k, fault.Location), c.foreign(k, fault.Message)})
	}
	return e
}

// foreign makes a text of the platform safe to print. It may repeat what the call
// sent.
func (c *Client) foreign(k call, text string) string {
	text = c.redact(text)
	for _, secret := range k.secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, redacted)
		}
	}
	return oneLine(text)
}
