package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"
	"github.com/charmbracelet/x/ansi"

	"github.com/sonzaihook/sonzaihook"
)

// row is one delivery of the demo and what became of it. Its JSON form is what
// --json prints.
type row struct {
	What       string      `json:"delivery"`
	Type       string      `json:"type"`
	Agent      string      `json:"agent"`
	Outcome    string      `json:"outcome"`
	Status     int         `json:"status"`
	DurationMS float64     `json:"duration_ms"`
	Callbacks  int         `json:"callbacks"`
	Detail     string      `json:"detail"`
	Expected   expectation `json:"expected"`
	OK         bool        `json:"ok"`
}

func newRow(sc scene, attempt int, p parcel, answer reply, n note) row {
	r := row{
		What:       sc.what,
		Type:       field(p.body, typeKeys...),
		Agent:      field(p.body, "agent_id"),
		Outcome:    answer.code,
		Status:     answer.status,
		DurationMS: float64(answer.duration) / float64(time.Millisecond),
		Callbacks:  n.runs,
		Detail:     n.detail(),
	}
	if attempt > 0 {
		r.What = "retried"
	}
	if attempt < len(sc.expects) {
		r.Expected = sc.expects[attempt]
		r.OK = r.Expected == expectation{r.Status, r.Outcome, r.Callbacks}
	}
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
	Deliveries int            `json:"deliveries"`
	Outcomes   map[string]int `json:"outcomes"`
	Unexpected int            `json:"unexpected"`
	DurationMS float64        `json:"duration_ms"`
}

func (p *performance) summary() summary {
	s := summary{
		Deliveries: len(p.rows),
		Outcomes:   map[string]int{},
		Unexpected: p.unexpected(),
		DurationMS: float64(p.duration) / float64(time.Millisecond),
	}
	for _, r := range p.rows {
		s.Outcomes[r.Outcome]++
	}
	return s
}

// writeRows writes one JSON object a line.
func writeRows(w io.Writer, p performance) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for _, r := range p.rows {
		if err := encoder.Encode(r); err != nil {
			return err
		}
	}
	return encoder.Encode(struct {
		Summary summary `json:"summary"`
	}{p.summary()})
}

// The columns of the table.
const (
	columnMark = iota
	columnWhat
	columnType
	columnAgent
	columnOutcome
	columnStatus
	columnTime
	columnDetail
)

var headings = []string{"", "DELIVERY", "TYPE", "AGENT", "OUTCOME", "STATUS", "TIME", "SEEN INSIDE"}

// narrowestDetail is how wide the last column must be to be worth its place.
const narrowestDetail = 16

// renderPerformance draws the table between a headline and a summary, for a
// terminal of so many columns, or of any width if that is zero.
func renderPerformance(p performance, columns int) string {
	body := renderTable(p.rows, headings[:columnDetail])
	if columns == 0 {
		body = renderTable(p.rows, headings)
	} else if room := columns - lipgloss.Width(body); room >= narrowestDetail {
		body = renderTable(shortened(p.rows, room), headings)
	}
	headline := strong.Render("sonzaihook demo") + faint.Render("  "+p.url)
	return headline + "\n\n" + trimLines(body) + "\n\n" + p.verdict() + "\n"
}

func shortened(rows []row, room int) []row {
	short := make([]row, len(rows))
	for i, r := range rows {
		r.Detail = ansi.Truncate(r.Detail, room, "…")
		short[i] = r
	}
	return short
}

func renderTable(rows []row, headings []string) string {
	t := table.New().
		Headers(headings...).
		Border(lipgloss.NormalBorder()).
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).BorderColumn(false).
		BorderStyle(faint).
		Wrap(false).
		StyleFunc(func(at, column int) lipgloss.Style { return cellStyle(rows, at, column) })
	for _, r := range rows {
		t.Row(r.cells()[:len(headings)]...)
	}
	return t.String()
}

func (r row) cells() []string {
	mark := "✓"
	if !r.OK {
		mark = "✗"
	}
	return []string{
		mark, r.What, r.Type, r.Agent, r.Outcome, fmt.Sprint(r.Status),
		milliseconds(time.Duration(r.DurationMS * float64(time.Millisecond))), r.Detail,
	}
}

func cellStyle(rows []row, at, column int) lipgloss.Style {
	style := plain
	switch {
	case at == table.HeaderRow:
		style = faint
	case column == columnMark && rows[at].OK:
		style = good
	case column == columnMark:
		style = bad
	case column == columnWhat && rows[at].What != whatSigned:
		style = strong
	case column == columnType:
		style = calm
	case column == columnOutcome, column == columnStatus:
		style = statusStyle(rows[at].Status)
	case column == columnTime, column == columnDetail:
		style = faint
	}
	if column == columnStatus || column == columnTime {
		style = style.Align(lipgloss.Right)
	}
	if column != columnDetail {
		style = style.PaddingRight(2)
	}
	return style
}

// verdict is the line under the table.
func (p *performance) verdict() string {
	s := p.summary()
	if s.Unexpected == 0 {
		var counts []string
		for _, code := range []string{
			sonzaihook.CodeProcessed, sonzaihook.CodeDuplicate, sonzaihook.CodeUnauthorized, sonzaihook.CodeFailed,
		} {
			counts = append(counts, fmt.Sprintf("%d %s", s.Outcomes[code], code))
		}
		return good.Render(fmt.Sprintf("✓ %d deliveries, all as expected", s.Deliveries)) +
			faint.Render("  "+milliseconds(p.duration)) + "\n  " + faint.Render(strings.Join(counts, " · "))
	}
	lines := []string{bad.Render(fmt.Sprintf("✗ %d of %d deliveries not as expected", s.Unexpected, s.Deliveries))}
	for i, r := range p.rows {
		if !r.OK {
			got := expectation{r.Status, r.Outcome, r.Callbacks}
			lines = append(lines, fmt.Sprintf("  line %d, %s %s: expected %v, got %v", i+1, r.What, r.Type, r.Expected, got))
		}
	}
	return strings.Join(lines, "\n")
}
