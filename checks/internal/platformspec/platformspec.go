// Package platformspec holds calls of the platform's API against its OpenAPI
// document. The document is not part of this project. It is looked for at the path in
// SONZAI_OPENAPI, and at ../shared/sonzai-openapi-subset.json next to the checkout; if
// it is not there, a table of the same facts replaces it.
package platformspec

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	faults "github.com/pb33f/libopenapi-validator/errors"

	"github.com/sonzaihook/sonzaihook/internal/traffic"
)

const (
	envDocument = "SONZAI_OPENAPI"
	besideRoot  = "../../shared/sonzai-openapi-subset.json" // from the module of the checks
	basePath    = "/api/v1"
)

// Checker holds calls and answers against the document. It is for one goroutine.
type Checker struct {
	validator validator.Validator
}

// New returns a checker. It takes half a second to make.
func New() (*Checker, error) {
	text, err := locate()
	if err == nil && text == nil {
		text, err = written.document()
	}
	if err != nil {
		return nil, err
	}
	return newChecker(text)
}

func newChecker(text []byte) (*Checker, error) {
	document, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, fmt.Errorf("platformspec: the document cannot be read: %w", err)
	}
	v, errs := validator.NewValidator(document, config.WithFormatAssertions(), config.WithContentAssertions())
	if len(errs) > 0 {
		return nil, fmt.Errorf("platformspec: the document is not usable: %v", errs)
	}
	return &Checker{v}, nil
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

// Check returns what is wrong with a call, and with its answer.
func (c *Checker) Check(call traffic.Call) (faults []string) {
	if !call.Wrong {
		faults = c.request(call)
	}
	if call.Answered {
		faults = append(faults, c.answer(call)...)
	}
	return faults
}

// request is the call as the server had it, with its body unread.
func request(call traffic.Call) *http.Request {
	r := httptest.NewRequest(call.Method, call.URL, bytes.NewReader(call.Body))
	r.Header = call.Header
	return r
}

func (c *Checker) request(call traffic.Call) []string {
	r := request(call)
	name, known := callOf(r)
	if !known {
		return []string{fmt.Sprintf("there is no call %s %s", r.Method, r.URL.EscapedPath())}
	}
	var wrong []string
	for parameter := range r.URL.Query() {
		if _, ok := written.calls[name].query[parameter]; !ok {
			wrong = append(wrong, fmt.Sprintf("%s has no query parameter %q", name, parameter))
		}
	}
	ok, errs := c.validator.ValidateHttpRequestSync(r)
	return append(wrong, list(ok, errs, "request "+name)...)
}

func (c *Checker) answer(call traffic.Call) []string {
	r := request(call)
	name, known := callOf(r)
	if !known {
		return nil
	}
	recorder := httptest.NewRecorder()
	for header, values := range call.AnswerHeader {
		recorder.Header()[header] = values
	}
	recorder.WriteHeader(call.Status)
	_, _ = recorder.Write(call.Answer)
	ok, errs := c.validator.ValidateHttpResponse(r, recorder.Result())
	wrong := list(ok, errs, fmt.Sprintf("answer %d to %s", call.Status, name))
	return append(wrong, mediaType(name, call)...)
}

// mediaType is checked separately because the document has problems as the default
// answer, which would also let a wrong good answer through.
func mediaType(name string, call traffic.Call) []string {
	want, status := "application/json", written.calls[name].status()
	if status == http.StatusNoContent {
		want = ""
	}
	if call.Status >= 300 {
		want, status = "application/problem+json", call.Status
	}
	if got := call.AnswerHeader.Get("Content-Type"); got != want || call.Status != status {
		return []string{fmt.Sprintf("the answer to %s is %d %q, not %d %q", name, call.Status, got, status, want)}
	}
	return nil
}

func list(ok bool, errs []*faults.ValidationError, what string) (all []string) {
	if ok {
		return nil
	}
	for _, err := range errs {
		all = append(all, fmt.Sprintf("%s: %s: %s %v", what, err.Message, err.Reason, err.SchemaValidationErrors))
	}
	if len(all) == 0 {
		all = []string{what + ": it is not as the document has it"}
	}
	return all
}

// Missing returns the calls of the platform that are not among the given ones.
func Missing(made []traffic.Call) []string {
	missing := Calls()
	for _, call := range made {
		if name, known := callOf(request(call)); known && !call.Wrong {
			missing = slices.DeleteFunc(missing, func(other string) bool { return other == name })
		}
	}
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
