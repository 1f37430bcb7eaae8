// Package platformspec checks calls of the platform's API against its OpenAPI
// document, in tests. The document is not part of this project. It is looked for
// at the path in SONZAI_OPENAPI, and at ../shared/sonzai-openapi-subset.json next to
// the checkout; if it is not there, a table of the same facts replaces it.
package platformspec

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	faults "github.com/pb33f/libopenapi-validator/errors"
)

const (
	envDocument = "SONZAI_OPENAPI"
	besideRoot  = "../shared/sonzai-openapi-subset.json"
	basePath    = "/api/v1"
)

// Checker checks requests and answers against the document.
type Checker struct {
	t         testing.TB
	validator validator.Validator

	mu   sync.Mutex
	seen map[string]bool
}

// New returns a checker that reports to t.
func New(t testing.TB) *Checker {
	t.Helper()
	v, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return &Checker{t: t, validator: v, seen: map[string]bool{}}
}

// shared is the validator of all checkers of a test binary: it takes half a
// second to make, and is safe for concurrent use.
var shared = sync.OnceValues(func() (validator.Validator, error) {
	text, err := locate()
	if err == nil && text == nil {
		text, err = written.document()
	}
	if err != nil {
		return nil, err
	}
	return newValidator(text)
})

func newValidator(text []byte) (validator.Validator, error) {
	document, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, fmt.Errorf("platformspec: the document cannot be read: %w", err)
	}
	v, errs := validator.NewValidator(document, config.WithFormatAssertions(), config.WithContentAssertions())
	if len(errs) > 0 {
		return nil, fmt.Errorf("platformspec: the document is not usable: %v", errs)
	}
	return v, nil
}

// locate returns the platform's document, or nil where there is none. A path in
// the environment that leads nowhere is an error.
func locate() ([]byte, error) {
	if path := os.Getenv(envDocument); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("platformspec: %s: %w", envDocument, err)
		}
		return text, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			return nil, nil
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(besideRoot)))
	if os.IsNotExist(err) {
		return nil, nil
	}
	return text, err
}

// Handler checks what reaches next and what it answers.
func (c *Checker) Handler(next http.Handler) http.Handler { return c.wrap(next, true) }

// Answers checks only what next answers, for tests that send wrong requests.
func (c *Checker) Answers(next http.Handler) http.Handler { return c.wrap(next, false) }

func (c *Checker) wrap(next http.Handler, requests bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			c.t.Errorf("platformspec: %s %s: the body: %v", r.Method, r.URL.Path, err)
		}
		if requests {
			c.checkRequest(again(r, body))
		}
		recorder := httptest.NewRecorder()
		next.ServeHTTP(recorder, again(r, body)) // a panic goes through unchecked: it is no answer
		c.checkAnswer(again(r, body), recorder)
		for name, values := range recorder.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(recorder.Code)
		_, _ = w.Write(recorder.Body.Bytes())
	})
}

// again is the request with its body unread.
func again(r *http.Request, body []byte) *http.Request {
	copied := r.Clone(r.Context())
	copied.Body = io.NopCloser(bytes.NewReader(body))
	return copied
}

func (c *Checker) checkRequest(r *http.Request) {
	call, known := callOf(r)
	if !known {
		c.t.Errorf("platformspec: there is no call %s %s", r.Method, r.URL.EscapedPath())
		return
	}
	for name := range r.URL.Query() {
		if _, ok := written.calls[call].query[name]; !ok {
			c.t.Errorf("platformspec: %s has no query parameter %q", call, name)
		}
	}
	ok, errs := c.validator.ValidateHttpRequestSync(r)
	c.report(ok, errs, "request "+call)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[call] = true
}

func (c *Checker) checkAnswer(r *http.Request, recorder *httptest.ResponseRecorder) {
	call, known := callOf(r)
	if !known {
		return
	}
	ok, errs := c.validator.ValidateHttpResponse(r, recorder.Result())
	c.report(ok, errs, fmt.Sprintf("answer %d to %s", recorder.Code, call))
	c.checkMediaType(call, recorder)
}

// checkMediaType is separate because the document has problems as the default
// answer, which would also let a wrong good answer through.
func (c *Checker) checkMediaType(call string, recorder *httptest.ResponseRecorder) {
	want, status := "application/json", written.calls[call].status()
	if status == http.StatusNoContent {
		want = ""
	}
	if recorder.Code >= 300 {
		want, status = "application/problem+json", recorder.Code
	}
	if got := recorder.Header().Get("Content-Type"); got != want || recorder.Code != status {
		c.t.Errorf("platformspec: the answer to %s is %d %q, not %d %q", call, recorder.Code, got, status, want)
	}
}

func (c *Checker) report(ok bool, errs []*faults.ValidationError, what string) {
	if ok {
		return
	}
	for _, err := range errs {
		c.t.Errorf("platformspec: %s: %s: %s %v", what, err.Message, err.Reason, err.SchemaValidationErrors)
	}
}

// Missing returns the calls of the platform that were not made yet.
func (c *Checker) Missing() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var missing []string
	for call := range written.calls {
		if !c.seen[call] {
			missing = append(missing, call)
		}
	}
	slices.Sort(missing)
	return missing
}

// Calls returns all calls of the platform: the method and the path below its
// base.
func Calls() []string {
	var calls []string
	for call := range written.calls {
		calls = append(calls, call)
	}
	slices.Sort(calls)
	return calls
}

// callOf finds the call that a request makes.
func callOf(r *http.Request) (string, bool) {
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), basePath)
	if !ok {
		return "", false
	}
	found := ""
	for call := range written.calls {
		method, template, _ := strings.Cut(call, " ")
		// The call with fewer placeholders wins, as history does over an id.
		if method == r.Method && fits(template, path) && (found == "" || strings.Count(call, "{") < strings.Count(found, "{")) {
			found = call
		}
	}
	return found, found != ""
}

// fits reports whether a path is one of a template. Both begin with a slash.
func fits(template, path string) bool {
	want, got := strings.Split(template, "/")[1:], strings.Split(path, "/")[1:]
	if len(want) != len(got) {
		return false
	}
	for i, segment := range want {
		if got[i] == "" || !strings.HasPrefix(segment, "{") && segment != got[i] {
			return false
		}
	}
	return true
}
