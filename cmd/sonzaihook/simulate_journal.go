package main

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
	"github.com/sonzaihook/sonzaihook/simulator"
)

// journal prints the calls and the deliveries of the simulator, a line each. It is
// safe for concurrent use.
type journal struct {
	console *console.Console
	json    bool
	mu      sync.Mutex
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
		_ = j.console.WriteJSON(e) // a closed output ends the command elsewhere
		return
	}
	_ = j.console.Line(e.cells()...)
}

func (e entry) cells() []console.Cell {
	at := console.Faint(e.Time.Format(time.TimeOnly) + "  ")
	took := console.Faint("  " + console.Milliseconds(time.Duration(e.DurationMS*float64(time.Millisecond))))
	if e.Call != "" {
		status := console.Status(e.Status, fmt.Sprint(e.Status))
		if e.Status == 0 {
			status = console.Bad("connection closed")
		}
		return []console.Cell{at, console.Faint("← "), console.Plain(e.Call + "  "), status, took}
	}
	answer := delivery.CodeUnanswered
	if e.Status > 0 {
		answer = strings.TrimSpace(fmt.Sprintf("%d %s", e.Status, e.Answer))
	}
	return []console.Cell{
		at, console.Faint("→ "), console.Calm(e.Type).Pad(wideType), console.Faint(fmt.Sprintf("#%d  ", e.Attempt)),
		console.Status(e.Status, answer).Pad(wideAnswer), took, console.Faint("  " + cmp.Or(e.Error, e.URL)),
	}
}

// attempt is an observer of the simulator.
func (j *journal) attempt(a simulator.Attempt) {
	j.print(entry{
		Time: a.CreatedAt, Type: a.EventType, Attempt: a.Number, URL: a.URL, Status: a.Code,
		Answer: delivery.CodeOf([]byte(a.ResponseBody)), Error: a.Error, DurationMS: console.InMS(a.Duration),
	})
}

// around prints the calls of a handler. The key, the query and the bodies are not
// printed.
func (j *journal) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started, answer := j.console.Now(), &statusWriter{ResponseWriter: w}
		timer := time.Now()
		defer func() {
			call := r.Method + " " + strings.TrimPrefix(r.URL.EscapedPath(), simulator.BasePath)
			j.print(entry{Time: started, Call: call, Status: answer.status, DurationMS: console.InMS(time.Since(timer))})
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
