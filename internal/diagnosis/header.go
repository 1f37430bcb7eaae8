package diagnosis

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sonzaihook/sonzaihook"
)

// header is a signature header as leniently as it can be read: the times and
// signatures that its writer probably meant, and everything that is wrong with
// how it says so.
type header struct {
	times    []string // literal, as signed
	macs     [][]byte
	problems []Problem

	signatures int      // how many elements are, or were meant to be, a v1
	others     []string // the names of the other schemes
}

const (
	maxHeader     = 4096
	maxSignatures = 16
	hexLength     = 2 * sha256.Size
	hexDigits     = "0123456789abcdefABCDEF"
	form          = "the form is t=<Unix seconds>,v1=<64 lowercase hex digits>"
)

func (h *header) add(column int, what, fix string) {
	h.problems = append(h.problems, Problem{Kind: Header, What: what, Fix: fix, Column: column})
}

func parseHeader(text string) header {
	var h header
	switch {
	case strings.TrimSpace(text) == "":
		h.add(0, "there is no signature", "the header "+sonzaihook.SignatureHeader+" must reach the receiver; does a proxy drop it?")
		return h
	case len(text) > maxHeader:
		h.add(0, fmt.Sprintf("the header has %d bytes, at most %d are read", len(text), maxHeader), "")
		return h
	}
	start, end := h.unwrap(text)
	h.elements(text[:end], start)
	if len(h.times) == 0 {
		h.add(0, "there is no t", h.hint())
	}
	if h.signatures == 0 {
		h.add(0, "there is no v1", h.hint())
	}
	return h
}

func (h *header) hint() string {
	if len(h.others) == 0 {
		return form
	}
	return form + "; found only " + strings.Join(h.others, ", ")
}

// unwrap returns where the value begins and ends without the name of the header
// and quotes, which come along when it is copied from somewhere.
func (h *header) unwrap(text string) (start, end int) {
	end = len(text)
	name := sonzaihook.SignatureHeader + ":"
	if len(text) >= len(name) && strings.EqualFold(text[:len(name)], name) {
		h.add(1, "the value begins with the name of the header", "pass only what comes after the colon")
		rest := strings.TrimLeft(text[len(name):], " ")
		start = len(text) - len(rest)
	}
	if inner := text[start:]; len(inner) > 1 && (inner[0] == '"' || inner[0] == '\'') && inner[len(inner)-1] == inner[0] {
		h.add(start+1, "the value stands in quotes", "leave the quotes out")
		return start + 1, end - 1
	}
	return start, end
}

// elements reads what stands between the commas, from start on.
func (h *header) elements(text string, start int) {
	separator := ","
	if i := strings.Index(text, ";"); i >= 0 && !strings.Contains(text, ",") {
		separator = ";"
		h.add(i+1, "the elements are separated by semicolons", "separate them by commas")
	}
	for at := start; at <= len(text); {
		element, _, _ := strings.Cut(text[at:], separator)
		trimmed := element
		if at > start {
			trimmed = strings.TrimLeft(element, " ")
		}
		h.element(trimmed, at+len(element)-len(trimmed)+1)
		at += len(element) + len(separator)
	}
}

func (h *header) element(element string, column int) {
	name, value, found := strings.Cut(element, "=")
	if !found || name == "" {
		h.shapeless(element, column)
		return
	}
	valueColumn := column + len(name) + 1
	switch meant := strings.ToLower(strings.TrimSpace(name)); meant {
	case "t":
		h.named(name, meant, column)
		if len(h.times) > 0 {
			h.add(column, "there is more than one t", "send one t")
		}
		h.time(value, valueColumn)
	case "v1":
		h.named(name, meant, column)
		h.signatures++
		if h.signatures > maxSignatures {
			h.add(column, fmt.Sprintf("this is v1 number %d, at most %d are read", h.signatures, maxSignatures), "")
			return
		}
		h.mac(value, valueColumn)
	default:
		h.others = append(h.others, quoted(name))
	}
}

// named adds a problem if an element is called almost what it must be. The
// receiver takes it for a scheme that it does not know.
func (h *header) named(name, want string, column int) {
	if name != want {
		h.add(column, fmt.Sprintf("the name %s is not %q, so the element is passed over", quoted(name), want),
			"write it in lower case and without white space")
	}
}

func (h *header) shapeless(element string, column int) {
	switch {
	case strings.TrimSpace(element) == "":
		h.add(column, "there is an empty element", "remove the comma that is too many")
	case element == "v1":
		h.signatures++
		h.add(column, `"v1" has no value; "v1,<base64>" is the form of another signature scheme`, form)
	default:
		h.add(column, "an element of "+counted(len(element), "byte")+" is not of the form name=value", form)
	}
}

func (h *header) time(value string, column int) {
	const fix = "t is whole seconds since 1970, in digits only"
	trimmed := strings.TrimSpace(value)
	h.times = append(h.times, trimmed)
	notDigit := strings.IndexFunc(value, func(r rune) bool { return r < '0' || r > '9' })
	switch {
	case trimmed == "":
		h.add(column, "t is empty", fix)
	case isDate(trimmed):
		h.add(column, "t is a date", fix)
	case notDigit >= 0:
		r, _ := utf8.DecodeRuneInString(value[notDigit:])
		h.add(column+notDigit, fmt.Sprintf("t has %q where only digits may stand", r), fix)
	case value[0] == '0' && len(value) > 1:
		h.add(column, "t has a leading zero", fix)
	case !isTime(value):
		h.add(column, "t is larger than any time", fix)
	}
}

func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// quoted shows a name, which a malformed header may make of a whole signature.
func quoted(name string) string {
	const longest = 12
	if len(name) > longest {
		return strconv.Quote(name[:longest]) + "…"
	}
	return strconv.Quote(name)
}

func isDate(text string) bool {
	_, err := time.Parse(time.RFC3339, text)
	return err == nil
}

func isTime(text string) bool {
	_, err := strconv.ParseInt(text, 10, 64)
	return err == nil
}

// mac reads a v1, also one that is written in another way than it must be.
func (h *header) mac(value string, column int) {
	trimmed := strings.TrimSpace(value)
	if mac, err := hex.DecodeString(trimmed); err == nil && len(mac) == sha256.Size {
		h.macs = append(h.macs, mac)
	} else if mac := fromBase64(trimmed); len(mac) == sha256.Size {
		h.macs = append(h.macs, mac)
		h.add(column, "v1 is in base64", "write it in lowercase hex")
		return
	}
	inside := strings.Index(value, trimmed)
	if value != trimmed {
		blank := 0
		if inside == 0 {
			blank = len(trimmed)
		}
		h.add(column+blank, "there is white space beside v1", "remove it")
	}
	notHex := strings.IndexFunc(trimmed, func(r rune) bool { return !strings.ContainsRune(hexDigits, r) })
	upper := strings.IndexAny(trimmed, "ABCDEF")
	switch {
	case notHex >= 0:
		h.add(column+inside+notHex, "v1 has something other than hex digits", "")
	case upper >= 0:
		h.add(column+inside+upper, "v1 is not in lower case", "write it in lowercase hex")
	}
	if n := len(trimmed); n != hexLength {
		h.add(column, fmt.Sprintf("v1 has %s instead of %d", counted(n, "character"), hexLength), lengthHint(n))
	}
}

func lengthHint(n int) string {
	switch {
	case n < hexLength:
		return "it may have been cut off when it was copied"
	case n == 2*hexLength:
		return "it may be SHA-512; the scheme is SHA-256"
	}
	return ""
}

// unix returns the time in the header, and whether one can be read.
func (h *header) unix() (int64, bool) {
	for _, t := range h.times {
		if unix, err := strconv.ParseInt(t, 10, 64); err == nil && unix >= 0 {
			return unix, true
		}
	}
	return 0, false
}

var base64Forms = []*base64.Encoding{
	base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding,
}

// fromBase64 returns what the text encodes, nil if it is not base64.
func fromBase64(text string) []byte {
	for _, encoding := range base64Forms {
		if decoded, err := encoding.DecodeString(text); err == nil {
			return decoded
		}
	}
	return nil
}
