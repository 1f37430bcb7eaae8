package inspector

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/sonzaihook/sonzaihook"
)

// claims reads which type and agent a body names, from wherever they were seen.
// It is for show: the receiver decides by itself what a delivery is.
func claims(body []byte) (typ, agent string) {
	top := members(body)
	typ = text(top["event_type"])
	for _, name := range []string{"type", "event"} {
		if s := text(top[name]); typ == "" {
			typ = s
		}
	}
	if typ == "" && isObject(top["wakeup"]) {
		typ = string(sonzaihook.EventWakeup)
	}
	agent = text(top["agent_id"])
	for _, under := range []string{"data", "payload", "wakeup"} {
		if agent == "" {
			agent = text(members(top[under])["agent_id"])
		}
	}
	return string(sonzaihook.CanonicalType(typ)), agent
}

// claimedProject is the project that a body names, which proves nothing.
func (r *record) claimedProject() string { return text(members(r.body)["project_id"]) }

func members(object []byte) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	if !isObject(object) || json.Unmarshal(object, &m) != nil {
		return nil
	}
	return m
}

func text(raw json.RawMessage) string {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

func isObject(raw []byte) bool {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	return len(raw) > 0 && raw[0] == '{'
}

// value is a JSON value whose members stand in the order in which they came.
type value struct {
	name    string
	raw     json.RawMessage
	members []value // of an object or an array
	more    int     // members that were not read
	deep    bool    // it has members that lie too deep
}

func (v *value) kind() byte {
	switch c := v.raw[0]; c {
	case '{', '[', '"', 'n':
		return c
	case 't', 'f':
		return 't'
	}
	return '0'
}

// member returns the last member with a name, as decoders do.
func (v *value) member(name string) *value {
	for i := len(v.members) - 1; i >= 0; i-- {
		if v.members[i].name == name {
			return &v.members[i]
		}
	}
	return nil
}

func (v *value) text() string {
	if v == nil || len(v.raw) == 0 {
		return ""
	}
	if v.kind() == '"' {
		return text(v.raw)
	}
	return string(v.raw)
}

const (
	deepest    = 40
	mostValues = 5000
)

var errTrailing = errors.New("something follows the JSON value")

// parse reads a JSON value, up to a depth and a number of values.
func parse(data []byte) (*value, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	decoder := json.NewDecoder(bytes.NewReader(data))
	var raw json.RawMessage
	if err := decoder.Decode(&raw); err != nil {
		return nil, err
	}
	root, left := &value{raw: raw}, mostValues
	root.expand(deepest, &left)
	if _, err := decoder.Token(); err != io.EOF {
		return root, errTrailing
	}
	return root, nil
}

// expand reads the members of a value that is known to be well formed.
func (v *value) expand(depth int, left *int) {
	kind := v.kind()
	if kind != '{' && kind != '[' {
		return
	}
	decoder := json.NewDecoder(bytes.NewReader(v.raw))
	_, _ = decoder.Token()
	for decoder.More() {
		if depth == 0 {
			v.deep = true
			return
		}
		var member value
		if kind == '{' {
			name, err := decoder.Token()
			if err != nil {
				return
			}
			member.name, _ = name.(string)
		}
		if decoder.Decode(&member.raw) != nil {
			return
		}
		if *left == 0 {
			v.more++
			continue
		}
		*left--
		v.members = append(v.members, member)
	}
	for i := range v.members {
		v.members[i].expand(depth-1, left)
	}
}
