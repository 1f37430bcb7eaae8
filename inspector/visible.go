package inspector

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a delivery says is written by others. It is shown as text, and what would
// not show as itself, or would change how the text around it reads, is named.

// chunk is a piece of text; Mark says that it names what cannot be shown.
type chunk struct {
	Text string
	Mark bool
}

// chunks splits text into what can be shown and names for the rest: controls,
// bidi and other format characters, strange spaces, bytes that are not UTF-8.
// Line feeds and tabs stay where lines is set. At most limit bytes are shown.
func chunks(text string, limit int, lines bool) []chunk {
	rest := 0
	if len(text) > limit {
		cut := limit
		for cut > limit-utf8.UTFMax && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text, rest = text[:cut], len(text)-cut
	}
	var out []chunk
	var marks strings.Builder // the names of characters that follow each other
	end := func() {
		if marks.Len() > 0 {
			out = append(out, chunk{marks.String(), true})
			marks.Reset()
		}
	}
	start, before := 0, rune(0)
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRuneInString(text[at:])
		if name := hidden(r, size, before, text[at], lines); name != "" {
			if start < at {
				end()
				out = append(out, chunk{text[start:at], false})
			}
			if marks.Len() > 0 {
				marks.WriteByte(' ')
			}
			marks.WriteString(name)
			start = at + size
		}
		before = r
		at += size
	}
	end()
	if start < len(text) {
		out = append(out, chunk{text[start:], false})
	}
	if rest > 0 {
		out = append(out, chunk{fmt.Sprintf("… %s more", size(rest)), true})
	}
	return out
}

// hidden returns a name for a character that does not show as itself, or "".
func hidden(r rune, size int, before rune, first byte, lines bool) string {
	switch {
	case r == utf8.RuneError && size == 1:
		return fmt.Sprintf(`\x%02X`, first)
	case lines && (r == '\n' || r == '\t'):
		return ""
	case r == '\n':
		return "LF"
	case r == '\r':
		return "CR"
	case r == '\t':
		return "TAB"
	case r == '\u200d' && (unicode.Is(unicode.So, before) || before == '\ufe0f' || unicode.Is(unicode.Sk, before)):
		return "" // inside an emoji
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp):
		return fmt.Sprintf("U+%04X", r)
	case r != ' ' && r != '\u3000' && unicode.Is(unicode.Zs, r), isFiller(r):
		return fmt.Sprintf("U+%04X", r)
	}
	return ""
}

// isFiller reports whether a letter or mark is blank.
func isFiller(r rune) bool {
	switch r {
	case '\u115f', '\u1160', '\u3164', '\uffa0', '\u034f', '\u17b4', '\u17b5', '\u2800':
		return true
	}
	return false
}

// room is what a page has left for the texts of a body, in bytes: names of characters
// that cannot be shown take ten times the place of these.
type room int

const (
	wholeRoom   = 128 << 10
	longestText = 16 << 10
	leastText   = 16 // is shown of each text, also when there is no room left
)

// chunks is the function chunks, within the room that is left.
func (r *room) chunks(text string, lines bool) []chunk {
	limit := min(longestText, max(int(*r), leastText))
	*r -= room(min(len(text), limit))
	return chunks(text, limit, lines)
}

// plain is chunks in one line of text, for lists and attributes.
func plain(text string, limit int) string {
	var b strings.Builder
	for _, c := range chunks(text, limit, false) {
		if c.Mark && !strings.HasPrefix(c.Text, "…") {
			b.WriteString("‹" + c.Text + "›")
			continue
		}
		b.WriteString(c.Text)
	}
	return b.String()
}

// size writes a number of bytes for people.
func size(n int) string {
	switch {
	case n == 1:
		return "1 byte"
	case n < 10_000:
		return fmt.Sprintf("%d bytes", n)
	case n < 1<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
