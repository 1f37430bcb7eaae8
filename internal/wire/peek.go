package wire

import "bytes"

// Peeked is what Peek has found, empty where there is nothing or where reading it
// would take an unescape.
type Peeked struct{ EventType, Type, Event, Project []byte }

// Peek finds the names of the type, and if asked the project, in a body without
// decoding it, so that the right secret is tried first. It understands only nesting
// and strings of JSON: what it returns is a guess that the decoder must confirm. It
// reports whether it found what it looked for or the end of the object; if not, its
// results must not be used. What it returns aliases body.
func Peek(body []byte, project bool) (p Peeked, ok bool) {
	s := scanner{body: JSON(body)}
	if !s.take('{') {
		return p, false
	}
	for {
		key, plain := s.text()
		if !plain || !s.take(':') {
			return p, false
		}
		if to := p.field(key); to != nil && s.next() == '"' {
			if *to, plain = s.text(); !plain {
				return p, false
			}
			if !project && len(bytes.TrimSpace(p.EventType)) > 0 {
				return p, true
			}
		} else if !s.skip() {
			return p, false
		}
		if s.take(',') {
			continue
		}
		return p, s.take('}')
	}
}

func (p *Peeked) field(key []byte) *[]byte {
	switch string(key) {
	case "event_type":
		return &p.EventType
	case "type":
		return &p.Type
	case "event":
		return &p.Event
	case "project_id":
		return &p.Project
	}
	return nil
}

// scanner steps over JSON tokens.
type scanner struct {
	body []byte
	at   int
}

// next returns the next byte that is not white space, without consuming it; zero
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

// text consumes a string and returns what is between its quotes, and whether that
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
