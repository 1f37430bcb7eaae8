package signature

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckSecret refuses a secret that is blank, and one that includes what it was
// stored in, such as quotes: with it every delivery would be refused, and only the log
// would say why. The error wraps ErrInvalidSecret and says what surrounds the secret,
// never its value.
func CheckSecret(secret string) error {
	if err := checkBlank(secret); err != nil {
		return err
	}
	if what := Packaging(secret); what != "" {
		return fmt.Errorf("%w: %s", ErrInvalidSecret, what)
	}
	return nil
}

func checkBlank(secret string) error {
	if strings.TrimSpace(strings.TrimPrefix(secret, prefix)) == "" {
		return fmt.Errorf("%w: it is empty", ErrInvalidSecret)
	}
	return nil
}

// Packaging describes what is in a secret and is not part of it, or returns the
// empty string.
func Packaging(secret string) string {
	key := strings.TrimPrefix(secret, prefix)
	switch {
	case strings.ContainsRune(secret, '\ufeff'):
		return "it has a byte order mark"
	case strings.TrimSpace(secret) != secret, strings.TrimSpace(key) != key:
		return "it has white space at an end"
	case strings.ContainsFunc(secret, unicode.IsControl):
		return "it has a line break or another control character"
	case strings.ContainsFunc(secret, invisible):
		return "it has an invisible character"
	case quoted(secret), quoted(key):
		return "it has quotes round it"
	case strings.HasPrefix(secret, "${") && strings.HasSuffix(secret, "}"), strings.HasPrefix(secret, "$(") && strings.HasSuffix(secret, ")"),
		strings.HasPrefix(secret, "{{") && strings.HasSuffix(secret, "}}"):
		return "it is a placeholder that was not filled in"
	case assigned(secret):
		return "it has the name of a variable before it"
	}
	return ""
}

func invisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) || unicode.Is(unicode.Variation_Selector, r) ||
		r == '\u3164' || r == '\uffa0' || r == '\u115f' || r == '\u1160' || // Hangul fillers are letters without a glyph
		unicode.Is(unicode.Zs, r) && r != ' '
}

func quoted(s string) bool {
	const straight = "\"'`"
	if len(s) >= 2 && strings.IndexByte(straight, s[0]) >= 0 && s[len(s)-1] == s[0] {
		return true
	}
	first, _ := utf8.DecodeRuneInString(s)
	last, _ := utf8.DecodeLastRuneInString(s)
	const opening, closing = "“‘„«‹「", "”’“»›」"
	return strings.ContainsRune(opening, first) && strings.ContainsRune(closing, last)
}

// assigned reports whether s is NAME=value with a value that is known to be a
// secret: one that begins with whsec_ or a quote. Anything else may be a secret with
// an equals sign in it.
func assigned(s string) bool {
	name, value, found := strings.Cut(s, "=")
	if !found {
		name, value, found = strings.Cut(s, ":")
	}
	name = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(name), "export "))
	value = strings.TrimSpace(value)
	if !found || name == "" || strings.ContainsFunc(name, notInName) {
		return false
	}
	return strings.HasPrefix(value, prefix) || value != "" && strings.IndexByte("\"'`", value[0]) >= 0
}

func notInName(r rune) bool {
	return r != '_' && r != '-' && r != '.' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
}
