package main

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"
)

func stripped(text string) string { return ansi.Strip(text) }

func TestColourIsForTerminalsOrWhereItIsForced(t *testing.T) {
	t.Parallel()
	const green = "\x1b[32m"
	for _, test := range []struct {
		name    string
		environ []string
		colour  bool
	}{
		{"a buffer", []string{"TERM=xterm-256color", "COLORTERM=truecolor"}, false},
		{"forced", []string{"TERM=xterm-256color", "CLICOLOR_FORCE=1"}, true},
		{"a terminal", []string{"TTY_FORCE=1", "TERM=xterm-256color"}, true},
		{"a terminal without colours", []string{"TTY_FORCE=1", "TERM=dumb"}, false},
		{"a terminal and NO_COLOR", []string{"TTY_FORCE=1", "TERM=xterm-256color", "NO_COLOR=1"}, false},
		{"a terminal and NO_COLOR of any value", []string{"TTY_FORCE=1", "TERM=xterm-256color", "NO_COLOR=yes"}, false},
		{"forced without TERM", []string{"CLICOLOR_FORCE=1"}, true},
	} {
		var b bytes.Buffer
		a := &app{environ: test.environ}
		_, err := fmt.Fprint(a.paper(&b), good.Render("fine"))
		require.NoError(t, err)
		require.Equal(t, test.colour, bytes.Contains(b.Bytes(), []byte(green)), test.name)
		require.Equal(t, "fine", stripped(b.String()), test.name)
	}
}

func TestABufferHasNoWidth(t *testing.T) {
	t.Parallel()
	require.Zero(t, width(&bytes.Buffer{}))
}
