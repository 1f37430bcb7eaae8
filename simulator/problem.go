package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// problem is an answer from 400 on, as RFC 9457 has it.
type problem struct {
	Title  string   `json:"title"`
	Status int      `json:"status"`
	Detail string   `json:"detail"`
	Errors []detail `json:"errors,omitempty"`
}

// detail is one fault of a request.
type detail struct {
	Location string `json:"location"`
	Message  string `json:"message"`
}

func (p problem) Error() string { return p.Detail }

func fail(status int, format string, args ...any) problem {
	return problem{Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

// unprocessable is the answer to a request whose form is wrong.
func unprocessable(faults ...detail) problem {
	p := fail(http.StatusUnprocessableEntity, "validation failed")
	p.Errors = faults
	return p
}

func writeProblem(w http.ResponseWriter, p problem) {
	write(w, "application/problem+json", p.Status, p)
}

func writeJSON(w http.ResponseWriter, status int, answer any) {
	write(w, "application/json", status, answer)
}

func write(w http.ResponseWriter, contentType string, status int, answer any) {
	body, err := json.Marshal(answer)
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a caller that went away does not read its answer
}

// maxRequest bounds the body of a call.
const maxRequest = 1 << 20

// field is a member of a request's body.
type field struct {
	name     string
	required bool
	kind     string // "string", "integer", "strings" (a list or null), "object", "boolean"
}

// readBody checks the body of a call against its fields, all faults at once, and
// decodes it.
func readBody(r *http.Request, fields []field, into any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return fail(http.StatusUnsupportedMediaType, "the content type must be application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxRequest))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return fail(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes", maxRequest)
	}
	if err != nil {
		return fail(http.StatusBadRequest, "the body could not be read")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return fail(http.StatusBadRequest, "the body is not a JSON object")
	}
	if faults := check(members, fields); len(faults) > 0 {
		return unprocessable(faults...)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fail(http.StatusBadRequest, "the body cannot be decoded")
	}
	return nil
}

// check names what is missing, of the wrong type or unknown.
func check(members map[string]json.RawMessage, fields []field) []detail {
	var faults []detail
	for _, f := range fields {
		value, ok := members[f.name]
		if !ok && f.required {
			faults = append(faults, detail{"body", "expected required property " + f.name + " to be present"})
		}
		if ok && !f.fits(value) {
			faults = append(faults, detail{"body." + f.name, "expected " + f.kind})
		}
	}
	for name := range members {
		known := name == "$schema" || slices.ContainsFunc(fields, func(f field) bool { return f.name == name })
		if !known {
			faults = append(faults, detail{"body." + name, "unexpected property"})
		}
	}
	slices.SortFunc(faults, func(a, b detail) int { return strings.Compare(a.Location+a.Message, b.Location+b.Message) })
	return faults
}

func (f field) fits(value json.RawMessage) bool {
	isNull := string(value) == "null"
	switch f.kind {
	case "string":
		return !isNull && json.Unmarshal(value, new(string)) == nil
	case "integer":
		return !isNull && json.Unmarshal(value, new(int64)) == nil
	case "boolean":
		return !isNull && json.Unmarshal(value, new(bool)) == nil
	case "strings":
		return json.Unmarshal(value, new([]string)) == nil
	}
	return !isNull && json.Unmarshal(value, new(map[string]json.RawMessage)) == nil
}

// The limits of the lists.
const (
	defaultLimit    = 50
	maxPageSize     = 500
	maxAgentLimit   = 500
	maxProjectLimit = 200
)

// intParam reads a number of the query that has bounds.
func intParam(r *http.Request, name string, most int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, unprocessable(detail{"query." + name, fmt.Sprintf("expected integer from 1 to %d", most)})
	}
	return n, nil
}
