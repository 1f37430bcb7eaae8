package console

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
)

// Clean returns a text on one line in which nothing can drive a terminal or change
// the order of the text around it. White space and control characters become a
// space, format characters (Unicode's Cf) are shown by their numbers, as in
// \u202e, and the joiners that only shape glyphs are left out.
func Clean(text string) string {
	if strings.IndexFunc(text, unclean) < 0 {
		return text
	}
	var clean strings.Builder
	blank := false // the last rune was replaced by a space
	for _, r := range text {
		if unicode.IsControl(r) || (unicode.IsSpace(r) && r != ' ') {
			if !blank {
				clean.WriteByte(' ')
			}
			blank = true
			continue
		}
		blank = false
		switch {
		case r == zeroWidthJoiner || r == zeroWidthNonJoiner:
		case unicode.Is(unicode.Cf, r):
			clean.WriteString(escape(r))
		default:
			clean.WriteRune(r)
		}
	}
	return clean.String()
}

const (
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
)

// unclean reports whether Clean replaces a rune. An invalid byte is one, which
// becomes U+FFFD.
func unclean(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar || (unicode.IsSpace(r) && r != ' ')
}

// escape names a rune as JSON and Go do.
func escape(r rune) string {
	if r > 0xffff {
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// Printable returns the rune, or a dot in place of one that a terminal would not
// show.
func Printable(r rune) rune {
	if !unicode.IsPrint(r) {
		return '·'
	}
	return r
}

// Counted writes a number of things: "1 problem", "2 problems".
func Counted(n int, thing string) string { return english.Plural(n, thing, "") }

// Milliseconds writes a duration as people compare them: "0.84 ms", "12 ms".
func Milliseconds(d time.Duration) string {
	switch ms := InMS(d); {
	case ms < 10:
		return fmt.Sprintf("%.2f ms", ms)
	case ms < 10_000:
		return fmt.Sprintf("%.0f ms", ms)
	default:
		return fmt.Sprintf("%.1f s", ms/1000)
	}
}

// InMS returns a duration in milliseconds, as JSON output has it.
func InMS(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Ago writes a time for people: how long ago it was, or the day.
func (c *Console) Ago(t time.Time) string {
	now := c.Now()
	if past := now.Sub(t); past < 0 || past > 14*24*time.Hour {
		return t.UTC().Format("2006-01-02 15:04Z")
	}
	return humanize.RelTime(t, now, "ago", "from now")
}
