package console

import (
	"bytes"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"
)

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
		c := &Console{Out: &b, Environ: test.environ}
		require.NoError(t, c.Say(Good("fine")))
		require.Equal(t, test.colour, bytes.Contains(b.Bytes(), []byte(green)), test.name)
		require.Equal(t, "fine\n", ansi.Strip(b.String()), test.name)
	}
}

func TestABufferHasNoWidth(t *testing.T) {
	t.Parallel()
	require.Zero(t, (&Console{Out: &bytes.Buffer{}}).Width())
}
