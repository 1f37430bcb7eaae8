package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// expectation is what must come of one step.
type expectation struct {
	Status    int    `json:"status"`
	Outcome   string `json:"outcome"`
	Callbacks int    `json:"callbacks"`
}

func (e expectation) String() string {
	if e == (expectation{}) {
		return "no further attempt"
	}
	return strings.TrimPrefix(fmt.Sprintf("%d %s with %s", e.Status, e.Outcome, counted(e.Callbacks, "callback run")), "0 ")
}

// The outcomes of steps that are not deliveries.
const (
	outcomeRegistered = "registered"
	outcomeDeleted    = "deleted"
)

var (
	expectProcessed    = expectation{http.StatusOK, sonzaihook.CodeProcessed, 1}
	expectDuplicate    = expectation{http.StatusOK, sonzaihook.CodeDuplicate, 0}
	expectUnauthorized = expectation{http.StatusUnauthorized, sonzaihook.CodeUnauthorized, 0}
	expectFailed       = expectation{http.StatusInternalServerError, sonzaihook.CodeFailed, 1}
	expectUnanswered   = expectation{0, codeUnanswered, 0}
	expectRegistered   = expectation{0, outcomeRegistered, 0}
	expectDeleted      = expectation{0, outcomeDeleted, 0}
)

// whatPushed is an ordinary delivery; the others stand out in the table.
const whatPushed = "pushed"

// performance is what became of the whole script.
type performance struct {
	url      string
	rows     []row
	duration time.Duration
}

func (p *performance) unexpected() int {
	n := 0
	for _, r := range p.rows {
		if !r.OK {
			n++
		}
	}
	return n
}

// act is a part of the script. It returns a row for each step.
type act struct {
	name string
	play func(context.Context) ([]row, error)
}

func (s *stage) script() []act {
	return []act{
		{"subscribing", s.subscribe},
		{"pushing an event of each type", s.push},
		{"sending what was not signed so", s.attack},
		{"failing once", s.fail},
		{"missing one while the receiver is down", s.miss},
		{"recovering it", s.recover},
		{"polling", s.poll},
		{"rotating a secret under load", s.rotate},
		{"unsubscribing", s.unsubscribe},
	}
}

// play plays all acts.
func (s *stage) play(ctx context.Context, progress *progress) (performance, error) {
	p, start := performance{url: s.url}, time.Now()
	for _, act := range s.script() {
		progress.say("%s …", act.name)
		rows, err := act.play(ctx)
		if err != nil {
			return performance{}, fmt.Errorf("%s: %w", act.name, err)
		}
		p.rows = append(p.rows, rows...)
	}
	p.duration = time.Since(start)
	return p, nil
}
