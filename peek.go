package sonzaihook

import "bytes"

// peekName finds the name of the event type in a body without decoding it, so
// that the right secret is tried first. It knows nesting and strings and nothing
// else of JSON: what it returns is a guess that the decoder must confirm.
//
// The name is the string under the top-level key event_type, else type, else
// event. It is nil where there is none or where reading it would take an unescape.
func peekName(body []byte) []byte {
	var names [3][]byte // by rank
	s := scanner{body: body}
	if !s.take('{') {
		return nil
	}
	for {
		key, plain := s.text()
		if !plain || !s.take(':') {
			return nil
		}
		rank := nameRank(key)
		if rank >= 0 && s.next() == '"' {
			name, plain := s.text()
			if !plain {
				return nil
			}
			if rank == 0 {
				return name
			}
			names[rank] = name
		} else if !s.skip() {
			return nil
		}
		if s.take(',') {
			continue
		}
		if !s.take('}') {
			return nil
		}
		if names[1] != nil {
			return names[1]
		}
		return names[2]
	}
}

func nameRank(key []byte) int {
	switch string(key) {
	case "event_type":
		return 0
	case "type":
		return 1
	case "event":
		return 2
	}
	return -1
}

// scanner steps over JSON tokens.
type scanner struct {
	body []byte
	at   int
}

// next returns the next byte that is not white space, without taking it; zero
// at the end.
func (s *scanner) next() byte {
	for ; s.at < len(s.body); s.at++ {
		switch c := s.body[s.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) take(c byte) bool {
	if s.next() != c {
		return false
	}
	s.at++
	return true
}

// text takes a string and returns what is between its quotes, and whether that
// is free of escapes.
func (s *scanner) text() (inner []byte, plain bool) {
	if !s.take('"') {
		return nil, false
	}
	start := s.at
	if !s.skipText() {
		return nil, false
	}
	inner = s.body[start : s.at-1]
	return inner, bytes.IndexByte(inner, '\\') < 0
}

// skipText moves behind the closing quote of a string, from inside of it.
func (s *scanner) skipText() bool {
	for {
		i := bytes.IndexByte(s.body[s.at:], '"')
		if i < 0 {
			return false
		}
		end := s.at + i
		backslashes := 0
		for end-1-backslashes >= s.at && s.body[end-1-backslashes] == '\\' {
			backslashes++
		}
		s.at = end + 1
		if backslashes%2 == 0 {
			return true
		}
	}
}

// skip moves behind a value of any kind.
func (s *scanner) skip() bool {
	depth := 0
	for s.at < len(s.body) {
		c := s.body[s.at]
		switch c {
		case '"':
			s.at++
			if !s.skipText() {
				return false
			}
			if depth == 0 {
				return true
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return true // the end of a bare value, not a part of it
			}
			depth--
			if depth == 0 {
				s.at++
				return true
			}
		case ',':
			if depth == 0 {
				return true
			}
		}
		s.at++
	}
	return false
}
