package console

import (
	"slices"
	"strings"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"
	"github.com/charmbracelet/x/ansi"
)

// Grid is a table as all commands print it: headings above a rule, columns apart
// by two spaces. Its last column takes the room that is left.
type Grid struct {
	Headings []string
	Right    []int // the columns that are aligned to the right
	// Spare names columns that may be left out where there is no room for the
	// last one, the first to go first.
	Spare []int
	// Wrap breaks the last column into lines where there is little room, for the
	// sake of which spare columns go as long as it has fewer columns than Wrap.
	// Zero cuts it short.
	Wrap int

	rows [][]Cell
}

// Row adds a row with a cell for each heading.
func (g *Grid) Row(cells ...Cell) {
	for i := range cells {
		cells[i].text = Clean(cells[i].text)
	}
	g.rows = append(g.rows, cells)
}

// Len returns the number of rows.
func (g *Grid) Len() int { return len(g.rows) }

// narrowestLast is how wide the last column must be to be worth its place.
const narrowestLast = 16

// Render draws the grid for a terminal of so many columns, or of any width if that
// is zero. Where there is little room the last column is cut short, spare columns
// are left out, and then the last one too.
func (g *Grid) Render(columns int) string {
	last := len(g.Headings) - 1
	shown := make([]int, last)
	for i := range shown {
		shown[i] = i
	}
	if columns == 0 {
		return TrimLines(g.draw(append(shown, last)))
	}
	for i, spare := range append([]int{-1}, g.Spare...) {
		shown = slices.DeleteFunc(shown, func(column int) bool { return column == spare })
		need := narrowestLast
		if i < len(g.Spare) {
			need = max(need, g.Wrap)
		}
		need = min(need, g.widest(last))
		if room := columns - lipgloss.Width(g.draw(shown)) - len(gap); room >= need {
			g.fit(room)
			return TrimLines(g.draw(append(shown, last)))
		}
	}
	return TrimLines(g.draw(shown))
}

// widest returns how many columns the texts of a column take.
func (g *Grid) widest(column int) int {
	wide := ansi.StringWidth(g.Headings[column])
	for _, row := range g.rows {
		wide = max(wide, ansi.StringWidth(row[column].text))
	}
	return wide
}

// fit makes the last column so wide at most.
func (g *Grid) fit(room int) {
	for _, row := range g.rows {
		last := &row[len(row)-1]
		if g.Wrap > 0 {
			last.text = ansi.Wrap(last.text, room, "")
		} else {
			last.text = ansi.Truncate(last.text, room, "…")
		}
	}
}

// draw draws the given columns.
func (g *Grid) draw(shown []int) string {
	headings := make([]string, len(shown))
	for i, column := range shown {
		headings[i] = g.Headings[column]
	}
	t := table.New().
		Headers(headings...).
		Border(lipgloss.NormalBorder()).
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).BorderColumn(false).
		BorderStyle(faint).
		Wrap(g.Wrap > 0).
		StyleFunc(func(at, i int) lipgloss.Style { return g.styleOf(at, shown[i], i == len(shown)-1) })
	for _, row := range g.rows {
		texts := make([]string, len(shown))
		for i, column := range shown {
			texts[i] = row[column].text
		}
		t.Row(texts...)
	}
	return t.String()
}

// gap is what stands between two columns.
const gap = "  "

// styleOf returns the style of a field, or of a heading.
func (g *Grid) styleOf(at, column int, last bool) lipgloss.Style {
	style := faint
	if at != table.HeaderRow {
		style = g.rows[at][column].style
	}
	if slices.Contains(g.Right, column) {
		style = style.Align(lipgloss.Right)
	}
	if !last {
		style = style.PaddingRight(len(gap))
	}
	return style
}

// TrimLines removes the spaces with which a layout fills its lines.
func TrimLines(block string) string {
	lines := strings.Split(block, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}
