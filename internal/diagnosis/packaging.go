package diagnosis

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

const prefix = "whsec_"

// packaging is what is around a secret, or in it, that does not belong to it.
type packaging struct {
	inner string   // the secret without it; empty if there is none inside
	has   []string // in words, from the outside in
}

// assignment matches what comes before a secret that was copied with its name.
var assignment = regexp.MustCompile(`^(?:export\s+|set\s+|\$env:)?[A-Za-z_][A-Za-z0-9_.-]*\s*[=:]\s*`)

// placeholder matches a variable that was not replaced by its value.
var placeholder = regexp.MustCompile(`^(?:\$\{[^{}]*\}|\$\([^()]*\)|\{\{[^{}]*\}\}|\$[A-Z_][A-Z0-9_]*|%[A-Z_][A-Z0-9_]*%)$`)

// quotes are the pairs that editors, shells and word processors write.
var quotes = []struct{ open, end string }{{`"`, `"`}, {"'", "'"}, {"`", "`"}, {"“", "”"}, {"‘", "’"}, {"„", "“"}, {"„", "”"}, {"«", "»"}, {"‹", "›"}, {"「", "」"}, {`\"`, `\"`}}

// deepest bounds how many layers are taken off.
const deepest = 8

// unpack takes off what is known to stick to secrets.
func unpack(secret string) packaging {
	p := packaging{inner: secret}
	for range deepest {
		before := p.inner
		p.ends()
		p.invisible()
		p.layer()
		if p.inner == before {
			break
		}
	}
	if joined := strings.Join(strings.Fields(p.inner), ""); joined != p.inner {
		p.add("has white space in it", joined)
	}
	return p
}

func (p *packaging) add(has, inner string) { p.has, p.inner = append(p.has, has), inner }

// ends takes off white space and a byte order mark.
func (p *packaging) ends() {
	if inner, found := strings.CutPrefix(p.inner, "\ufeff"); found {
		p.add("begins with a byte order mark", inner)
	}
	if inner := strings.TrimLeftFunc(p.inner, unicode.IsSpace); inner != p.inner {
		p.add("begins with "+blanks(p.inner[:len(p.inner)-len(inner)]), inner)
	}
	if inner := strings.TrimRightFunc(p.inner, unicode.IsSpace); inner != p.inner {
		p.add("ends with "+blanks(p.inner[len(inner):]), inner)
	}
	rest, found := strings.CutPrefix(p.inner, prefix)
	if key := strings.TrimLeftFunc(rest, unicode.IsSpace); found && key != rest {
		p.add("has white space behind "+prefix, prefix+key)
	}
}

// invisible takes out format and control characters.
func (p *packaging) invisible() {
	var first rune
	inner := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r) || (unicode.IsControl(r) && !unicode.IsSpace(r)) {
			if first == 0 {
				first = r
			}
			return -1
		}
		return r
	}, p.inner)
	if len(inner) < len(p.inner) {
		p.add(fmt.Sprintf("has an invisible character in it (%U)", first), inner)
	}
}

// layer takes off one layer of quotes, a name, or the signs of a variable.
func (p *packaging) layer() {
	for _, q := range quotes {
		if len(p.inner) >= len(q.open)+len(q.end) && strings.HasPrefix(p.inner, q.open) && strings.HasSuffix(p.inner, q.end) {
			p.add("has quotes around it", p.inner[len(q.open):len(p.inner)-len(q.end)])
			return
		}
	}
	if name := assignment.FindString(p.inner); name != "" && !strings.HasPrefix(p.inner, prefix) && isSecret(p.inner[len(name):]) {
		p.add("begins with a name and an equals sign (as in an env file)", p.inner[len(name):])
		return
	}
	if placeholder.MatchString(p.inner) {
		inner := strings.TrimSpace(strings.Trim(p.inner, "${}()%"))
		if strings.HasPrefix(inner, prefix) {
			p.add("has the signs of a variable around it", inner)
			return
		}
		p.add("is a variable that nothing has replaced by its value", "")
	}
}

// isSecret reports whether what comes behind a name can be a secret, and is not the
// end of one in base64.
func isSecret(text string) bool {
	if strings.HasPrefix(text, prefix) || placeholder.MatchString(text) {
		return true
	}
	for _, q := range quotes {
		if strings.HasPrefix(text, q.open) {
			return true
		}
	}
	return false
}

// blanks describes white space in words.
func blanks(text string) string {
	names := map[string]string{" ": "a space", "\n": "a newline", "\t": "a tab", "\r\n": "a Windows line end", "\r": "a carriage return"}
	if name, ok := names[text]; ok {
		return name
	}
	return fmt.Sprintf("%d characters of white space", len([]rune(text)))
}
