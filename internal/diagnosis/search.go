package diagnosis

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
)

// search computes signatures until one is that of the header: with the right key
// and body first, then with one difference, then with two.
type search struct {
	body  []byte
	times []string
	macs  [][]byte
	keys  []keying
	tried int
}

// largestPair is the longest body for which differences of the secret and of the
// body are tried together; each pair costs a pass over the body.
const largestPair = 256 << 10

func newSearch(in Input, h header) *search {
	s := &search{body: in.Body, times: h.times, macs: h.macs}
	for i, secret := range in.Secrets {
		s.keys = append(s.keys, keyings(i, secret)...)
	}
	// The given secrets come first, so that the simplest reason is found.
	slices.SortStableFunc(s.keys, func(a, b keying) int { return a.oddity() - b.oddity() })
	return s
}

func (k *keying) oddity() int {
	switch {
	case k.what == "" && !k.told:
		return 0
	case k.told:
		return 1
	}
	return 2
}

// hit is how the signature came about.
type hit struct {
	key     keying
	content content
	message message
}

// message is what stands before the body in what is signed. The first is the
// right one.
type message struct {
	what   string
	before func(t string) string
}

var messages = []message{
	{"", func(t string) string { return t + "." }},
	{"the sender signed the body alone, without t and a dot before it", func(string) string { return "" }},
	{"the sender left the dot between t and the body out", func(t string) string { return t }},
	{"the sender put a colon between t and the body", func(t string) string { return t + ":" }},
	{`the sender signed "v1:", t, a colon and the body`, func(t string) string { return "v1:" + t + ":" }},
}

func (s *search) run() (hit, bool) {
	whole := content{data: s.body}
	for _, kinds := range [][]message{messages[:1], messages[1:]} {
		for _, key := range s.keys {
			if found, ok := s.try(key, whole, kinds); ok {
				return found, true
			}
		}
	}
	seen := map[[sha256.Size]byte]bool{sha256.Sum256(s.body): true}
	for c := range contents(s.body) {
		digest := sha256.Sum256(c.data)
		if seen[digest] {
			continue
		}
		seen[digest] = true
		if found, ok := s.tryKeys(c); ok {
			return found, true
		}
	}
	return hit{}, false
}

func (s *search) tryKeys(c content) (hit, bool) {
	for _, key := range s.keys {
		if key.oddity() > 1 && len(c.data) > largestPair {
			continue
		}
		if found, ok := s.try(key, c, messages[:1]); ok {
			return found, true
		}
	}
	return hit{}, false
}

func (s *search) try(key keying, c content, kinds []message) (hit, bool) {
	for _, message := range kinds {
		for _, t := range s.times {
			s.tried++
			h := hmac.New(sha256.New, key.key)
			h.Write([]byte(message.before(t)))
			h.Write(c.data)
			sum := h.Sum(nil)
			if slices.ContainsFunc(s.macs, func(mac []byte) bool { return hmac.Equal(mac, sum) }) {
				return hit{key: key, content: c, message: message}, true
			}
		}
	}
	return hit{}, false
}

func (h *hit) problems() []Problem {
	var list []Problem
	if h.key.what != "" {
		list = append(list, Problem{Kind: Secret, What: h.key.what, Fix: h.key.fix})
	}
	if h.content.what != "" {
		list = append(list, Problem{Kind: Body, What: h.content.what, Fix: h.content.fix})
	}
	if h.message.what != "" {
		list = append(list, Problem{Kind: Scheme, What: h.message.what, Fix: "what is signed is t, a dot and the body"})
	}
	return list
}

// mismatch says what to think if nothing that was tried gives the signature.
func (s *search) mismatch() []Problem {
	what := fmt.Sprintf("none of %d signatures that were tried is the one in the header", s.tried)
	fix := "the secret is most likely another one: each registration, that is each event type, has its own, " +
		"and a rotation replaces it; else the content of the body was changed"
	switch {
	case len(s.body) == 0:
		return []Problem{{Kind: Body, What: "the body is empty", Fix: "something read it before; " + bytesFix}}
	case !json.Valid(bytes.TrimSpace(s.body)):
		fix = "the body is not JSON: it was cut off or changed, or belongs to another delivery; else the secret is another one"
	case sorted(s.body):
		fix += "; its keys are in alphabetical order, so it may have been parsed and written out again: " + bytesFix
	}
	return []Problem{{Kind: Match, What: what, Fix: fix}}
}

// sorted reports whether the top-level keys of a JSON object are in alphabetical
// order, as encoders of maps write them.
func sorted(body []byte) bool {
	d := json.NewDecoder(bytes.NewReader(body))
	var keys []string
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return false
	}
	for d.More() {
		token, err := d.Token()
		key, isKey := token.(string)
		if err != nil || !isKey {
			return false
		}
		keys = append(keys, key)
		var skipped json.RawMessage
		if d.Decode(&skipped) != nil {
			return false
		}
	}
	return len(keys) > 2 && slices.IsSorted(keys)
}
