package diagnosis

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"iter"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// content is what the sender may have signed instead of the given body. The field
// what is empty for the body itself.
type content struct {
	data []byte
	what string
	fix  string
}

const bytesFix = "verify the bytes as they came from the connection, before anything parses, prints or saves them"

var byteOrderMark = []byte("\xef\xbb\xbf")

// contents yields what a body may have been before something changed it, likely
// changes first. The first is the body itself. Some come more than once.
func contents(body []byte) iter.Seq[content] {
	return func(yield func(content) bool) {
		if !yield(content{data: body}) {
			return
		}
		for c := range carried(body) {
			if !yield(c) {
				return
			}
		}
		for c := range rewritten(body) {
			if !yield(c) {
				return
			}
		}
	}
}

// carried yields the bodies that differ by what editors, shells, gateways and
// terminals do.
func carried(body []byte) iter.Seq[content] {
	return func(yield func(content) bool) {
		_ = ends(body, yield) && lines(body, yield) && wrapped(body, yield) && recoded(body, yield) &&
			yield(content{nil, "the sender signed an empty body", "something read the body before it was signed, or it was signed before it was set"})
	}
}

// ends yields the body with another end or beginning.
func ends(body []byte, yield func(content) bool) bool {
	for _, end := range []struct{ text, name string }{{"\r\n", "Windows line end"}, {"\n", "newline"}, {" ", "space"}} {
		if cut, found := bytes.CutSuffix(body, []byte(end.text)); found {
			if !yield(content{cut, "a " + end.name + " was added to the end of the body", bytesFix + "; echo and editors add newlines"}) {
				return false
			}
		}
		if !yield(content{join(body, []byte(end.text)), "the " + end.name + " at the end of the body was lost", bytesFix + "; $(…) and trimming remove it"}) {
			return false
		}
	}
	trimmed := bytes.TrimSpace(body)
	added := "1 byte of white space was added around the body"
	if n := len(body) - len(trimmed); n != 1 {
		added = fmt.Sprintf("%d bytes of white space were added around the body", n)
	}
	if !yield(content{trimmed, added, bytesFix}) {
		return false
	}
	if cut, found := bytes.CutPrefix(body, byteOrderMark); found {
		return yield(content{cut, "a byte order mark was put before the body", "save it as UTF-8 without a byte order mark"})
	}
	return yield(content{join(byteOrderMark, body), "the byte order mark before the body was lost", bytesFix})
}

// lines yields the body with other line ends.
func lines(body []byte, yield func(content) bool) bool {
	unix := bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	windows := bytes.ReplaceAll(unix, []byte("\n"), []byte("\r\n"))
	const fix = bytesFix + "; git and editors convert line ends"
	const toWindows = "its line ends were changed from LF to CRLF"
	const toUnix = "its line ends were changed from CRLF to LF"
	return yield(content{unix, toWindows, fix}) &&
		yield(content{windows, toUnix, fix}) &&
		yield(content{bytes.TrimRight(unix, "\n"), toWindows + ", and one was added to the end", fix}) &&
		yield(content{join(windows, []byte("\r\n")), toUnix + ", and the last one was lost", fix})
}

// wrapped yields what is inside a body that was encoded twice.
func wrapped(body []byte, yield func(content) bool) bool {
	trimmed := bytes.TrimSpace(body)
	if decoded := fromBase64(string(trimmed)); len(decoded) > 0 {
		if !yield(content{decoded, "the body is in base64", "decode it first; gateways say so beside it (isBase64Encoded)"}) {
			return false
		}
	}
	var text string
	if json.Unmarshal(trimmed, &text) == nil {
		if !yield(content{[]byte(text), "the body is a JSON string that holds the signed JSON", "something encoded it twice; verify the text inside"}) {
			return false
		}
	}
	encoded := base64.StdEncoding.EncodeToString(body)
	return yield(content{[]byte(encoded), "the sender signed the body in base64", "sign the bytes that are sent"})
}

// layout is one way in which programs write JSON.
type layout struct {
	name    string
	options []jsontext.Options
}

func indented(indent string) []jsontext.Options {
	return []jsontext.Options{jsontext.Multiline(true), jsontext.WithIndent(indent)}
}

var layouts = []layout{
	{"compact", nil},
	{"with a space after each colon and comma", []jsontext.Options{jsontext.SpaceAfterColon(true), jsontext.SpaceAfterComma(true)}},
	{"indented by 2", indented("  ")},
	{"indented by 4", indented("    ")},
	{"indented by a tab", indented("\t")},
}

// writing is a choice of encoders besides the layout.
type writing struct {
	name   string
	option jsontext.Options // nil: the default
}

var orders = []writing{
	{},
	{"with sorted keys", jsontext.ReorderRawObjects(true)},
}

var numbers = []writing{
	{},
	{"with numbers in their shortest form", jsontext.CanonicalizeRawFloats(true)},
}

var escapes = []writing{
	{"", jsontext.PreserveRawStrings(true)},
	{fewerEscapes, nil},
	{"with <, > and & escaped", jsontext.EscapeForHTML(true)},
}

const fewerEscapes = "with fewer escapes"

// moreEscapes are escapes that JSON does not require but some encoders write. They
// start from a text with the fewest escapes.
var moreEscapes = []struct {
	name string
	from func([]byte) []byte
}{
	{"with everything but ASCII escaped", escapeUnicode},
	{"with slashes escaped", escapeSlashes},
	{"with slashes and everything but ASCII escaped", func(b []byte) []byte { return escapeSlashes(escapeUnicode(b)) }},
}

// rewritten yields the body as other programs would have written the same JSON:
// it was parsed and written out again.
func rewritten(body []byte) iter.Seq[content] {
	return func(yield func(content) bool) {
		text := bytes.TrimSpace(bytes.TrimPrefix(body, byteOrderMark))
		if !json.Valid(text) {
			return
		}
		for _, layout := range layouts {
			for _, order := range orders {
				for _, number := range numbers {
					for _, escape := range escapes {
						if !written(text, layout, []writing{order, number, escape}, yield) {
							return
						}
					}
				}
			}
		}
	}
}

// written yields one way to write the text, and what follows from it.
func written(text []byte, l layout, choices []writing, yield func(content) bool) bool {
	options := append([]jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}, l.options...)
	name, last := l.name, ""
	for _, choice := range choices {
		if choice.option != nil {
			options = append(options, choice.option)
		}
		if last = choice.name; last != "" && last != fewerEscapes {
			name += ", " + last
		}
	}
	value := jsontext.Value(bytes.Clone(text))
	if value.Format(options...) != nil {
		return true
	}
	if last != fewerEscapes {
		return ended(value, name, yield)
	}
	if !ended(value, name+", "+last, yield) {
		return false
	}
	for _, more := range moreEscapes {
		if !ended(more.from(value), name+", "+more.name, yield) {
			return false
		}
	}
	return true
}

// ended yields a text with and without a newline at its end.
func ended(text []byte, name string, yield func(content) bool) bool {
	what := "the body was parsed and written out again: what was signed is the same JSON " + name
	return yield(content{text, what, bytesFix}) &&
		yield(content{join(text, []byte("\n")), what + ", with a newline at its end", bytesFix})
}

func escapeUnicode(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r < utf8.RuneSelf:
			out = append(out, text[0])
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		text = text[size:]
	}
	return out
}

func escapeSlashes(text []byte) []byte {
	return bytes.ReplaceAll(text, []byte("/"), []byte(`\/`))
}

func join(a, b []byte) []byte { return append(bytes.Clone(a), b...) }
