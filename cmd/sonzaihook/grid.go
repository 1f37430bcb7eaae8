package main

import (
	"slices"
	"strings"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"
	"github.com/charmbracelet/x/ansi"
)

// grid is a table as all commands print it: headings above a rule, columns apart
// by two spaces. Its last column takes what room is left.
type grid struct {
	headings []string
	right    []int // the columns that are aligned to the right
	rows     [][]cell
}

// cell is one field of a grid.
type cell struct {
	text  string
	style lipgloss.Style
}

func (g *grid) row(cells ...cell) { g.rows = append(g.rows, cells) }

// narrowestLast is how wide the last column must be to be worth its place.
const narrowestLast = 16

// render draws the grid for a terminal of so many columns, or of any width if
// that is zero. Where there is little room the last column is cut short, or left
// out.
func (g *grid) render(columns int) string {
	last := len(g.headings) - 1
	if columns == 0 {
		return trimLines(g.draw(last + 1))
	}
	body := g.draw(last)
	if room := columns - lipgloss.Width(body) - lipgloss.Width(gap); room >= narrowestLast {
		for _, row := range g.rows {
			row[last].text = ansi.Truncate(row[last].text, room, "…")
		}
		body = g.draw(last + 1)
	}
	return trimLines(body)
}

// draw draws the first n columns.
func (g *grid) draw(n int) string {
	t := table.New().
		Headers(g.headings[:n]...).
		Border(lipgloss.NormalBorder()).
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).BorderColumn(false).
		BorderStyle(faint).
		Wrap(false).
		StyleFunc(func(at, column int) lipgloss.Style { return g.styleOf(at, column, n) })
	for _, row := range g.rows {
		texts := make([]string, n)
		for i, c := range row[:n] {
			texts[i] = c.text
		}
		t.Row(texts...)
	}
	return t.String()
}

// gap is what stands between two columns.
const gap = "  "

// styleOf is the style of a field where n columns are drawn.
func (g *grid) styleOf(at, column, n int) lipgloss.Style {
	style := faint
	if at != table.HeaderRow {
		style = g.rows[at][column].style
	}
	if slices.Contains(g.right, column) {
		style = style.Align(lipgloss.Right)
	}
	if column < n-1 {
		style = style.PaddingRight(len(gap))
	}
	return style
}

// trimLines removes the spaces with which a layout fills its lines.
func trimLines(block string) string {
	lines := strings.Split(block, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}
