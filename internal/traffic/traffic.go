// Package traffic keeps the calls of the platform's API that tests make, so that a
// check outside of this module can hold them against the description of that API.
// What reads such a description takes longer to compile than everything else here.
package traffic

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// EnvDir names the directory in which a test binary keeps its calls, in a file for
// each process. Without it nothing is kept.
const EnvDir = "SONZAIHOOK_TRAFFIC"

// Call is a call and its answer.
type Call struct {
	Test   string // that made it
	Wrong  bool   // on purpose: only the answer has to be as described
	Method string
	URL    string
	Header http.Header
	Body   []byte

	Answered     bool // false where the connection was dropped
	Status       int
	AnswerHeader http.Header
	Answer       []byte
}

// Keep keeps the calls that reach next, and what it answers.
func Keep(t testing.TB, next http.Handler) http.Handler { return keep(t, next, false) }

// KeepWrong does so for a test that sends wrong calls.
func KeepWrong(t testing.TB, next http.Handler) http.Handler { return keep(t, next, true) }

func keep(t testing.TB, next http.Handler, wrong bool) http.Handler {
	dir := os.Getenv(EnvDir)
	if dir == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("traffic: %s %s: the body: %v", r.Method, r.URL.Path, err)
		}
		call := Call{Test: t.Name(), Wrong: wrong, Method: r.Method, URL: r.URL.String(), Header: r.Header.Clone(), Body: body}
		defer func() { // also when next panics, as it does to drop a connection
			if err := write(dir, call); err != nil {
				t.Errorf("traffic: %v", err)
			}
		}()
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
		recorder := httptest.NewRecorder()
		next.ServeHTTP(recorder, r)
		call.Answered, call.Status = true, recorder.Code
		call.AnswerHeader, call.Answer = recorder.Result().Header, recorder.Body.Bytes()
		for name, values := range call.AnswerHeader {
			w.Header()[name] = values
		}
		w.WriteHeader(call.Status)
		_, _ = w.Write(call.Answer)
	})
}

// writing is held while a call is written, so that lines stay whole.
var writing sync.Mutex

func write(dir string, call Call) error {
	line, err := json.Marshal(call)
	if err != nil {
		return err
	}
	writing.Lock()
	defer writing.Unlock()
	path := filepath.Join(dir, fmt.Sprintf("%d.jsonl", os.Getpid()))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(append(line, '\n'))
	return errors.Join(err, file.Close())
}

// Read returns the calls that were kept in dir.
func Read(dir string) ([]Call, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return nil, err
	}
	var calls []Call
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		for decoder := json.NewDecoder(bufio.NewReader(bytes.NewReader(text))); ; {
			var call Call
			if err := decoder.Decode(&call); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("traffic: %s: %w", path, err)
			}
			calls = append(calls, call)
		}
	}
	return calls, nil
}
