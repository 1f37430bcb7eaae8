package main

import (
	"io"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/term"
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
)

// statusStyle returns the colour of an HTTP status: done, refused for good, or
// to be tried again.
func statusStyle(status int) lipgloss.Style {
	switch {
	case status >= 200 && status < 300:
		return good
	case status >= 500:
		return warn
	}
	return bad
}

// paper wraps a writer so that styled text loses its colours where nobody could
// see them: anywhere but on a terminal, and where NO_COLOR is set. CLICOLOR_FORCE
// keeps them.
func (a *app) paper(w io.Writer) io.Writer {
	environ := a.environ
	if a.getenv("NO_COLOR") != "" {
		// The convention is any value; the library reads a boolean.
		environ = append(slices.Clone(environ), "NO_COLOR=1")
	}
	return colorprofile.NewWriter(w, environ)
}

// width returns how many columns a terminal has; zero means that the writer is
// none and that lines may have any length.
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

// getenv returns a variable of the app's environment. The last one counts.
func (a *app) getenv(name string) string {
	value := ""
	for _, entry := range a.environ {
		if key, v, _ := strings.Cut(entry, "="); key == name {
			value = v
		}
	}
	return value
}
