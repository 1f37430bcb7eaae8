package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// WriteJSON writes a value to the output as one line of JSON. Characters that
// could drive a terminal are escaped, which changes no value.
func (c *Console) WriteJSON(value any) error {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	return c.write(func() error {
		_, err := c.Out.Write(escapeJSON(line.Bytes()))
		return err
	})
}

// escapeJSON escapes control and format characters beyond ASCII, which encoders of
// JSON leave as they are. They can stand in strings only.
func escapeJSON(text []byte) []byte {
	special := func(r rune) bool { return r >= utf8.RuneSelf-1 && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) }
	if bytes.IndexFunc(text, special) < 0 {
		return text
	}
	var escaped []byte
	for _, r := range string(text) {
		switch {
		case !special(r):
			escaped = utf8.AppendRune(escaped, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			escaped = fmt.Appendf(escaped, `\u%04x\u%04x`, high, low)
		default:
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
		}
	}
	return escaped
}
