package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"
)

// hostile has every control and format character there is.
func hostile() []rune {
	var list []rune
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			list = append(list, r)
		}
	}
	return list
}

func requireHarmless(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		require.False(t, unicode.IsControl(r) || unicode.Is(unicode.Cf, r), "%U in %q", r, text)
	}
}

func TestNoControlAndNoFormatCharacterReachesTheTerminal(t *testing.T) {
	t.Parallel()
	for _, r := range hostile() {
		foreign := "a" + string(r) + "b"
		var out, errOut bytes.Buffer
		c := &Console{Out: &out, ErrOut: &errOut}
		require.NoError(t, c.Say(Plain(foreign), Faint(foreign).Pad(12)))
		require.NoError(t, c.Line(Good(foreign)))
		c.Remark(Warn(foreign))
		g := Grid{Headings: []string{"A", "B"}}
		g.Row(Calm(foreign), Bad(foreign))
		for _, text := range []string{out.String(), errOut.String(), g.Render(0), g.Render(80), ErrorLine(errors.New(foreign)), Strong(foreign).Wrap(20)} {
			requireHarmless(t, strings.ReplaceAll(ansi.Strip(text), "\n", ""))
			require.Contains(t, text, "a")
			require.Contains(t, text, "b")
		}
		require.Equal(t, 2, strings.Count(out.String(), "\n"), "%U breaks no line", r)

		out.Reset()
		require.NoError(t, c.WriteJSON(map[string]string{"text": foreign}))
		requireHarmless(t, strings.TrimSuffix(out.String(), "\n"))
		var back map[string]string
		require.NoError(t, json.Unmarshal(out.Bytes(), &back))
		require.Equal(t, foreign, back["text"], "the value is the same")
	}
}

func TestACleanTextShowsWhatIsInIt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain":                      "plain",
		"":                           "",
		"  two  spaces  ":            "  two  spaces  ",
		"good\r\n\tmorning":          "good morning",
		"last\x1b[2J week":           "last [2J week",
		"user\u202egnp.exe":          `user\u202egnp.exe`,
		"\ufeffbom":                  `\ufeffbom`,
		"tag\U000e0041":              `tag\U000e0041`,
		"\U0001f469\u200d\U0001f4bb": "\U0001f469\U0001f4bb", // a joiner shapes glyphs and does nothing else
		"bad\xffbyte":                "bad\ufffdbyte",
		"a\u00a0b\u2028c":            "a b c",
		"日本語 é 😀":                    "日本語 é 😀",
	} {
		require.Equal(t, want, Clean(text))
		require.Equal(t, want, Clean(Clean(text)), "once is enough")
	}
}

func TestWhatIsEscapedIsCountedAsWideAsItIsShown(t *testing.T) {
	t.Parallel()
	require.Equal(t, 10, ansi.StringWidth(Plain("ab\u202ec").Pad(10).Render()))
	g := Grid{Headings: []string{"A", "B"}}
	g.Row(Plain("x\u202e"), Plain(strings.Repeat("\u202e日", 40)))
	for _, columns := range []int{30, 40, 80} {
		for line := range strings.Lines(g.Render(columns)) {
			require.LessOrEqual(t, ansi.StringWidth(strings.TrimSuffix(line, "\n")), columns)
		}
	}
}

func TestAnErrorIsOneLineWithoutASecret(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"upstream: no\n answer":            "sonzaihook: no answer",
		"secret whsec_abc is wrong":        "sonzaihook: secret whsec_… is wrong",
		"said \x1b]0;title\a and \u202e":   `sonzaihook: said ]0;title and \u202e`,
		"sonzaihook: signature mismatch  ": "sonzaihook: signature mismatch",
		" \n":                              "",
	} {
		require.Equal(t, want, ErrorLine(errors.New(text)))
	}
}

func TestNoIsAnAnswerAlsoInsideOfAnotherError(t *testing.T) {
	t.Parallel()
	require.True(t, IsNo(fmt.Errorf("more: %w", No("why"))))
	require.False(t, IsNo(errors.New("why")))
}

func TestAGridLeavesSpareColumnsOutBeforeTheLastOne(t *testing.T) {
	t.Parallel()
	g := Grid{Headings: []string{"A", "B", "C", "D"}, Spare: []int{2, 1}}
	wide := strings.Repeat("x", 10)
	g.Row(Plain(wide), Plain(wide), Plain(wide), Plain(strings.Repeat("y", 30)))
	for columns, want := range map[int]string{0: "ABCD", 70: "ABCD", 52: "ABCD", 51: "ABD", 40: "ABD", 39: "AD", 28: "AD", 27: "A"} {
		text := g.Render(columns)
		heading, _, _ := strings.Cut(text, "\n")
		require.Equal(t, want, strings.ReplaceAll(ansi.Strip(heading), " ", ""), "%d columns", columns)
	}
}

func TestAGridThatWrapsShowsAllOfTheLastColumn(t *testing.T) {
	t.Parallel()
	g := Grid{Headings: []string{"A", "B", "C"}, Spare: []int{1}, Wrap: 20}
	g.Row(Plain("xxxx"), Plain("yyyy"), Plain("the first one, the second and the third"))
	for columns, want := range map[int]string{32: "ABC", 31: "AC", 30: "AC", 22: "AC", 21: "A"} {
		again := g // rendering breaks the texts of the rows
		again.rows = [][]Cell{{g.rows[0][0], g.rows[0][1], g.rows[0][2]}}
		lines := strings.Split(ansi.Strip(again.Render(columns)), "\n")
		require.Equal(t, want, strings.ReplaceAll(lines[0], " ", ""), "%d columns", columns)
		if want != "A" {
			text := strings.Join(strings.Fields(strings.Join(lines[2:], " ")), " ")
			for _, word := range []string{"first", "second", "third"} {
				require.Contains(t, text, word, "%d columns", columns)
			}
		}
	}
}

func TestDurationsAreReadable(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		840 * time.Microsecond:  "0.84 ms",
		12 * time.Millisecond:   "12 ms",
		9999 * time.Millisecond: "9999 ms",
		31 * time.Second:        "31.0 s",
	} {
		require.Equal(t, want, Milliseconds(d))
	}
}
