package console

import (
	"io"
	"net/http"
	"slices"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/term"

	"github.com/sonzaihook/sonzaihook"
)

// The colours are the sixteen that a terminal's own theme defines, so that they
// are readable on a dark and on a light ground.
var (
	plain  = lipgloss.NewStyle()
	strong = lipgloss.NewStyle().Bold(true)
	faint  = lipgloss.NewStyle().Faint(true)
	good   = lipgloss.NewStyle().Foreground(lipgloss.Green)
	calm   = lipgloss.NewStyle().Foreground(lipgloss.Cyan)
	warn   = lipgloss.NewStyle().Foreground(lipgloss.Yellow)
	bad    = lipgloss.NewStyle().Foreground(lipgloss.Red)
	label  = warn.Bold(true)
)

// Plain returns text in the terminal's own colour.
func Plain(text string) Cell { return Cell{text, plain} }

// Strong returns text that stands out.
func Strong(text string) Cell { return Cell{text, strong} }

// Faint returns text that matters less.
func Faint(text string) Cell { return Cell{text, faint} }

// Good returns text about what went well.
func Good(text string) Cell { return Cell{text, good} }

// Calm returns the name of an event type and the like.
func Calm(text string) Cell { return Cell{text, calm} }

// Warn returns text about what needs attention.
func Warn(text string) Cell { return Cell{text, warn} }

// Bad returns text about what went wrong.
func Bad(text string) Cell { return Cell{text, bad} }

// Label returns the heading of a paragraph.
func Label(text string) Cell { return Cell{text, label} }

// Status returns text in the colour of an HTTP status: done, refused for good, or
// to be tried again. Zero means that there was no answer.
func Status(status int, text string) Cell {
	switch {
	case status >= 200 && status < 300:
		return Good(text)
	case status >= 500:
		return Warn(text)
	}
	return Bad(text)
}

// Code returns a code in a receiver's answer in the colour of its status.
func Code(code string) Cell {
	switch code {
	case sonzaihook.CodeProcessed, sonzaihook.CodeDuplicate, sonzaihook.CodeIgnored, sonzaihook.CodeQueued:
		return Good(code)
	case sonzaihook.CodeUnauthorized:
		return Status(http.StatusUnauthorized, code)
	}
	return Status(http.StatusServiceUnavailable, code)
}

// styled returns a writer that removes colours where they cannot be seen: anywhere
// but on a terminal, and where NO_COLOR is set. CLICOLOR_FORCE keeps them.
func (c *Console) styled(w io.Writer) io.Writer {
	environ := c.Environ
	if c.Getenv("NO_COLOR") != "" {
		// The convention is any value; the library reads a boolean.
		environ = append(slices.Clone(environ), "NO_COLOR=1")
	}
	return colorprofile.NewWriter(w, environ)
}

// Width returns how many columns the output's terminal has; zero means that the
// output is no terminal and that lines may have any length.
func (c *Console) Width() int { return width(c.Out) }

func width(w io.Writer) int {
	file, ok := w.(term.File)
	if !ok || !term.IsTerminal(file.Fd()) {
		return 0
	}
	columns, _, err := term.GetSize(file.Fd())
	if err != nil {
		return 0
	}
	return columns
}
