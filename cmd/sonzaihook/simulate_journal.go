package main

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sonzaihook/sonzaihook/simulator"
)

// wideAnswer fits "401 unauthorized" and "503 retry_later".
const wideAnswer = 16

// journal prints the calls and the deliveries of the simulator, a line each. It is
// safe for concurrent use.
type journal struct {
	app  *app
	json bool
	mu   sync.Mutex
}

// entry is a line of the journal as --json prints it: a call, or an attempt to
// deliver.
type entry struct {
	Time       time.Time `json:"time"`
	Call       string    `json:"call,omitempty"`
	Type       string    `json:"event_type,omitempty"`
	Attempt    int       `json:"attempt,omitempty"`
	URL        string    `json:"url,omitempty"`
	Status     int       `json:"status"`
	Answer     string    `json:"answer,omitempty"`
	Error      string    `json:"error,omitempty"`
	DurationMS float64   `json:"duration_ms"`
}

func (j *journal) print(e entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.json {
		_ = j.app.write(e) // nobody is left to be told
		return
	}
	_ = j.app.line(e.segments()...)
}

func (e entry) segments() []cell {
	at := cell{e.Time.Format(time.TimeOnly) + "  ", faint}
	took := cell{"  " + milliseconds(time.Duration(e.DurationMS*float64(time.Millisecond))), faint}
	status := cell{fmt.Sprint(e.Status), answerStyle(e.Status)}
	if e.Call != "" {
		if e.Status == 0 {
			status = cell{"connection closed", bad}
		}
		return []cell{at, {"← ", faint}, {e.Call + "  ", plain}, status, took}
	}
	if e.Status == 0 {
		status.text = codeUnanswered
	}
	if e.Answer != "" {
		status.text += " " + e.Answer
	}
	status.text = pad(status.text, wideAnswer)
	return []cell{
		at, {"→ ", faint}, {pad(e.Type, wideType), calm}, {fmt.Sprintf("#%d  ", e.Attempt), faint},
		status, took, {"  " + cmp.Or(oneLine(e.Error), e.URL), faint},
	}
}

// attempt is an observer of the simulator.
func (j *journal) attempt(a simulator.Attempt) {
	j.print(entry{
		Time: a.CreatedAt, Type: a.EventType, Attempt: a.Number, URL: a.URL, Status: a.Code,
		Answer: codeOf([]byte(a.ResponseBody)), Error: a.Error, DurationMS: inMS(a.Duration),
	})
}

// around prints the calls of a handler. The key, the query and the bodies are not
// printed.
func (j *journal) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started, answer := j.app.now(), &statusWriter{ResponseWriter: w}
		timer := time.Now()
		defer func() {
			call := r.Method + " " + oneLine(strings.TrimPrefix(r.URL.EscapedPath(), simulator.BasePath))
			j.print(entry{Time: started, Call: call, Status: answer.status, DurationMS: inMS(time.Since(timer))})
		}()
		next.ServeHTTP(answer, r)
	})
}

// statusWriter keeps the status of an answer; 0 until there is one.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = cmp.Or(w.status, status)
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	w.status = cmp.Or(w.status, http.StatusOK)
	return w.ResponseWriter.Write(p)
}
