package console

import (
	"io"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// Cell is a text and its colour. The text may come from anywhere.
type Cell struct {
	text  string
	style lipgloss.Style
}

// Render returns the text on one line, in its colour. All that the commands print
// for people goes through here.
func (c Cell) Render() string { return c.style.Inline(true).Render(Clean(c.text)) }

// Wrap returns the text in its colour, broken into lines of so many columns.
func (c Cell) Wrap(columns int) string { return c.style.Width(columns).Render(Clean(c.text)) }

// Pad returns the cell with spaces at its end, up to a width and at least one, so
// that it fills a column of a line.
func (c Cell) Pad(columns int) Cell {
	c.text = Clean(c.text)
	c.text += strings.Repeat(" ", max(1, columns-ansi.StringWidth(c.text)))
	return c
}

// cut returns the cell with its text cut short to fit.
func (c Cell) cut(columns int) Cell {
	c.text = ansi.Truncate(Clean(c.text), columns, "…")
	return c
}

// Render returns cells as one line.
func Render(cells ...Cell) string {
	var line strings.Builder
	for _, c := range cells {
		line.WriteString(c.Render())
	}
	return line.String()
}

// Say writes a line to the output. It is never cut short.
func (c *Console) Say(cells ...Cell) error { return c.Write(Render(cells...) + "\n") }

// Remark writes a line to the standard error, for a person to read.
func (c *Console) Remark(cells ...Cell) {
	_, _ = io.WriteString(c.styled(c.ErrOut), Render(cells...)+"\n")
}

// Line writes a line that is cut short to fit the terminal.
func (c *Console) Line(cells ...Cell) error {
	columns := c.Width()
	var text strings.Builder
	used := 0
	for _, cell := range cells {
		if columns > 0 {
			cell = cell.cut(max(0, columns-used))
		}
		used += ansi.StringWidth(Clean(cell.text))
		text.WriteString(cell.Render())
	}
	return c.Write(strings.TrimRight(text.String(), " ") + "\n")
}

// Write writes text that was rendered.
func (c *Console) Write(rendered string) error {
	return c.write(func() error {
		_, err := io.WriteString(c.styled(c.Out), rendered)
		return err
	})
}
