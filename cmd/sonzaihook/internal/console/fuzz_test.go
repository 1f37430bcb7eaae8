package console

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"
)

func FuzzATextOfOthersIsHarmless(f *testing.F) {
	f.Add("hello")
	f.Add("a\x1b[2J\u202eb\u200d\U000e0041\xff\u2028")
	f.Fuzz(func(t *testing.T, text string) {
		clean := Clean(text)
		requireHarmless(t, clean)
		require.True(t, utf8.ValidString(clean))
		require.Equal(t, clean, Clean(clean))

		var out bytes.Buffer
		c := &Console{Out: &out}
		require.NoError(t, c.Line(Plain(text), Faint(text)))
		require.Equal(t, 1, strings.Count(out.String(), "\n"))
		requireHarmless(t, strings.TrimSuffix(ansi.Strip(out.String()), "\n"))

		out.Reset()
		require.NoError(t, c.WriteJSON(text))
		requireHarmless(t, strings.TrimSuffix(out.String(), "\n"))
		var back string
		require.NoError(t, json.Unmarshal(out.Bytes(), &back))
		require.Equal(t, string([]rune(text)), back, "each invalid byte is U+FFFD")
	})
}
