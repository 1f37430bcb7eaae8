package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/sonzaihook/sonzaihook"
)

// row is one step of the demo and what became of it. Its JSON form is what --json
// prints. A step that is not a delivery has no status.
type row struct {
	What       string      `json:"step"`
	Type       string      `json:"type"`
	Agent      string      `json:"agent,omitempty"`
	Outcome    string      `json:"outcome"`
	Status     int         `json:"status,omitempty"`
	DurationMS float64     `json:"duration_ms"`
	Callbacks  int         `json:"callbacks"`
	Detail     string      `json:"detail"`
	Expected   expectation `json:"expected"`
	OK         bool        `json:"ok"`
}

func newRow(what string, body []byte, answer reply, n note) row {
	return row{
		What:       what,
		Type:       field(body, typeKeys...),
		Agent:      field(body, "agent_id"),
		Outcome:    answer.code,
		Status:     answer.status,
		DurationMS: inMS(answer.duration),
		Callbacks:  n.runs,
		Detail:     n.detail(),
	}
}

// expecting compares a row with what must come of the step.
func (r row) expecting(expected expectation) row {
	r.Expected = expected
	r.OK = expected == expectation{r.Status, r.Outcome, r.Callbacks}
	return r
}

// detail says in a few words what the receiver made of a delivery.
func (n note) detail() string {
	switch {
	case n.err != nil:
		return strings.TrimPrefix(n.err.Error(), "sonzaihook: ")
	case n.runs == 0:
		return "no callback ran"
	}
	return n.saw
}

// summary is the last line of --json.
type summary struct {
	Steps      int            `json:"steps"`
	Outcomes   map[string]int `json:"outcomes"`
	Unexpected int            `json:"unexpected"`
	DurationMS float64        `json:"duration_ms"`
}

func (p *performance) summary() summary {
	s := summary{
		Steps:      len(p.rows),
		Outcomes:   map[string]int{},
		Unexpected: p.unexpected(),
		DurationMS: inMS(p.duration),
	}
	for _, r := range p.rows {
		s.Outcomes[r.Outcome]++
	}
	return s
}

// writeRows writes one JSON object a line.
func writeRows(a *app, p performance) error {
	for _, r := range p.rows {
		if err := a.write(r); err != nil {
			return err
		}
	}
	return a.write(struct {
		Summary summary `json:"summary"`
	}{p.summary()})
}

// renderPerformance draws the table between a headline and a summary, for a
// terminal of so many columns, or of any width if that is zero.
func renderPerformance(p performance, columns int) string {
	g := grid{headings: []string{"", "STEP", "TYPE", "AGENT", "OUTCOME", "STATUS", "TIME", "SEEN INSIDE"}, right: []int{5, 6}}
	for _, r := range p.rows {
		g.row(r.cells()...)
	}
	headline := strong.Render("sonzaihook demo") + faint.Render("  "+p.url)
	return headline + "\n\n" + g.render(columns) + "\n\n" + p.verdict() + "\n"
}

func (r row) cells() []cell {
	mark, what, status := cell{"✓", good}, cell{r.What, strong}, ""
	if !r.OK {
		mark = cell{"✗", bad}
	}
	if r.What == whatPushed {
		what.style = plain
	}
	if r.Status > 0 {
		status = fmt.Sprint(r.Status)
	}
	return []cell{
		mark, what, {r.Type, calm}, {r.Agent, plain}, {r.Outcome, r.outcomeStyle()}, {status, statusStyle(r.Status)},
		{milliseconds(time.Duration(r.DurationMS * float64(time.Millisecond))), faint}, {r.Detail, faint},
	}
}

func (r row) outcomeStyle() lipgloss.Style {
	switch r.Outcome {
	case outcomeRegistered, outcomeDeleted:
		return good
	}
	return statusStyle(r.Status)
}

// verdict is the line under the table.
func (p *performance) verdict() string {
	s := p.summary()
	if s.Unexpected == 0 {
		var counts []string
		for _, code := range []string{
			sonzaihook.CodeProcessed, sonzaihook.CodeDuplicate, sonzaihook.CodeUnauthorized, sonzaihook.CodeFailed, codeUnanswered,
		} {
			counts = append(counts, fmt.Sprintf("%d %s", s.Outcomes[code], code))
		}
		return good.Render(fmt.Sprintf("✓ %d steps, all as expected", s.Steps)) +
			faint.Render("  "+milliseconds(p.duration)) + "\n  " + faint.Render(strings.Join(counts, " · "))
	}
	lines := []string{bad.Render(fmt.Sprintf("✗ %d of %d steps not as expected", s.Unexpected, s.Steps))}
	for i, r := range p.rows {
		if !r.OK {
			got := expectation{r.Status, r.Outcome, r.Callbacks}
			lines = append(lines, fmt.Sprintf("  line %d, %s %s: expected %v, got %v", i+1, r.What, cmp.Or(r.Type, "nothing"), r.Expected, got))
		}
	}
	return strings.Join(lines, "\n")
}
