package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// pageWidth is what the tables of the sections that share something fit into.
const pageWidth = 80

// markdownTable writes a table that can be read as it stands: its columns are as
// wide as what is in them, the first aligned left and the others right.
func markdownTable(header table.Row, rows []table.Row) string {
	plain := func(cell any) string { return text.StripEscape(fmt.Sprint(cell)) }
	widths := make([]int, len(header))
	for _, row := range append([]table.Row{header}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], 3, utf8.RuneCountInString(plain(cell)))
		}
	}
	var b strings.Builder
	line := func(row table.Row) {
		for i, width := range widths {
			cell := ""
			if i < len(row) {
				cell = plain(row[i])
			}
			gap := strings.Repeat(" ", width-utf8.RuneCountInString(cell))
			if i == 0 {
				cell += gap
			} else {
				cell = gap + cell
			}
			b.WriteString("| " + cell + " ")
		}
		b.WriteString("|\n")
	}
	line(header)
	for i, width := range widths {
		rule := strings.Repeat("-", width-1) + ":"
		if i == 0 {
			rule = strings.Repeat("-", width)
		}
		b.WriteString("| " + rule + " ")
	}
	b.WriteString("|\n")
	for _, row := range rows {
		line(row)
	}
	return b.String()
}

// aim is one row of what a section was to reach.
type aim struct {
	what, measured, bound string
	open, ok              bool // nothing was aimed at; it was reached
}

func newAim(what string, g goal, value, bound float64, show func(float64) string) aim {
	if g == atMost {
		return aim{what: what, measured: show(value), bound: "≤ " + show(bound), ok: value <= bound}
	}
	return aim{what: what, measured: show(value), bound: "≥ " + show(bound), ok: value >= bound}
}

// shown is a figure that nothing was aimed at for, or that is missing here.
func shown(what, measured string) aim { return aim{what: what, measured: measured, open: true} }

func (p *paper) aims(aims []aim) {
	p.both("\nWhat was aimed at:\n\n")
	var rows []table.Row
	for _, a := range aims {
		mark := text.FgRed.Sprint("✗")
		switch {
		case a.open:
			mark = ""
		case a.ok:
			mark = text.FgGreen.Sprint("✓")
		}
		rows = append(rows, table.Row{a.what, a.measured, a.bound, mark})
	}
	p.table(table.Row{"", "measured", "aim", "reached"}, rows)
}
