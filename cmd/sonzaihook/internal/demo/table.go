package demo

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
)

// render draws the table between a headline and a verdict, for a terminal of so
// many columns, or of any width if that is zero. On a narrow terminal it leaves out
// the agent, the time and the status, so that there is room for what the receiver
// saw.
func render(r result, columns int) string {
	g := console.Grid{
		Headings: []string{"", "STEP", "TYPE", "AGENT", "OUTCOME", "STATUS", "TIME", "SEEN INSIDE"},
		Right:    []int{5, 6},
		Spare:    []int{3, 6, 5},
		Wrap:     40,
	}
	for _, row := range r.rows {
		g.Row(row.cells()...)
	}
	headline := console.Render(console.Strong("sonzaihook demo"), console.Faint("  "+r.url))
	return headline + "\n\n" + g.Render(columns) + "\n\n" + r.verdict() + "\n"
}

func (r row) cells() []console.Cell {
	mark, what, status := console.Good("✓"), console.Strong(r.What), ""
	if !r.OK {
		mark = console.Bad("✗")
	}
	if r.What == whatPushed {
		what = console.Plain(r.What)
	}
	if r.Status > 0 {
		status = fmt.Sprint(r.Status)
	}
	took := time.Duration(r.DurationMS * float64(time.Millisecond))
	return []console.Cell{
		mark, what, console.Calm(r.Type), console.Plain(r.Agent), r.outcome(), console.Status(r.Status, status),
		console.Faint(console.Milliseconds(took)), console.Faint(r.Detail),
	}
}

func (r row) outcome() console.Cell {
	switch r.Outcome {
	case outcomeRegistered, outcomeDeleted:
		return console.Good(r.Outcome)
	}
	return console.Status(r.Status, r.Outcome)
}

// verdict is what stands under the table.
func (r *result) verdict() string {
	s := r.summary()
	if s.Unexpected == 0 {
		var counts []string
		for _, code := range []string{
			sonzaihook.CodeProcessed, sonzaihook.CodeQueued, sonzaihook.CodeDuplicate, sonzaihook.CodeUnauthorized, sonzaihook.CodeFailed, delivery.CodeUnanswered,
		} {
			counts = append(counts, fmt.Sprintf("%d %s", s.Outcomes[code], code))
		}
		return console.Render(console.Good(fmt.Sprintf("✓ %d steps, all as expected", s.Steps)),
			console.Faint("  "+console.Milliseconds(r.duration))) + "\n" +
			console.Faint("  "+strings.Join(counts, ", ")).Render()
	}
	lines := []string{console.Bad(fmt.Sprintf("✗ %d of %d steps not as expected", s.Unexpected, s.Steps)).Render()}
	for i, row := range r.rows {
		if !row.OK {
			got := expectation{row.Status, row.Outcome, row.Callbacks}
			line := fmt.Sprintf("  line %d, %s %s: expected %v, got %v", i+1, row.What, cmp.Or(row.Type, "nothing"), row.Expected, got)
			lines = append(lines, console.Plain(line).Render())
		}
	}
	return strings.Join(lines, "\n")
}
