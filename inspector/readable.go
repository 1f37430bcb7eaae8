package inspector

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sonzaihook/sonzaihook"
)

// readable is an event as a person would tell it.
type readable struct {
	Lead   []chunk
	Meters []meter
	Facts  []fact
	left   room
}

// fact is a field and what it says, one item or several.
type fact struct {
	Label []chunk
	Items [][]chunk
}

// meter is a measure between 0 and 100.
type meter struct {
	Label  string
	Value  string // of the bar's width
	Text   string
	Change string
	Up     bool
}

const mostItems = 20

// leads are the fields that say most, by type.
var leads = map[sonzaihook.EventType][]string{
	sonzaihook.EventMessage:       {"content", "generated_message"},
	sonzaihook.EventMoodChange:    {"label"},
	sonzaihook.EventMemoryAdded:   {"atomic_text", "content"},
	sonzaihook.EventBreakthrough:  {"narrative"},
	sonzaihook.EventWakeup:        {"generated_message"},
	sonzaihook.EventConsolidation: {},
}

var moods = []string{"valence", "arousal", "tension", "affiliation"}

// tell reads an event. The envelope's fields come after its own.
func tell(root *value, typ string) *readable {
	if root == nil || len(root.raw) == 0 || root.kind() != '{' {
		return nil
	}
	out := &readable{left: wholeRoom}
	payload := root
	for _, name := range []string{"payload", "data"} {
		if m := root.member(name); m != nil && m.kind() == '{' {
			payload = m
		}
	}
	told := map[*value]bool{}
	out.lead(payload, typ, told)
	if typ == string(sonzaihook.EventMoodChange) {
		out.mood(payload, told)
	}
	told[root.member("event_type")] = true // it is the heading
	if payload != root {
		out.add("", payload, told, nil)
	}
	out.add("", root, told, payload)
	return out
}

func (o *readable) lead(payload *value, typ string, told map[*value]bool) {
	names := leads[sonzaihook.EventType(typ)]
	if names == nil {
		names = []string{"content", "message", "text", "summary"}
	}
	for _, name := range names {
		if m := payload.member(name); m != nil && m.kind() == '"' && m.text() != "" {
			o.Lead, told[m] = o.left.chunks(m.text(), true), true
			return
		}
	}
}

func (o *readable) mood(payload *value, told map[*value]bool) {
	for _, name := range moods {
		m := payload.member(name)
		if m == nil || m.kind() != '0' {
			continue
		}
		number, err := strconv.ParseFloat(string(m.raw), 64)
		if err != nil || number < 0 || number > 100 {
			continue
		}
		told[m] = true
		bar := meter{Label: label(name), Value: strconv.FormatFloat(number, 'f', -1, 64), Text: bounded(string(m.raw), 12)}
		if d := payload.member("delta_" + name); d != nil && d.kind() == '0' {
			told[d] = true
			bar.Change = bounded(strings.TrimPrefix(string(d.raw), "-"), 12)
			bar.Up = d.raw[0] != '-'
		}
		o.Meters = append(o.Meters, bar)
	}
}

// add tells the members of an object that were not told yet, except one.
func (o *readable) add(prefix string, object *value, told map[*value]bool, except *value) {
	for i := range object.members {
		m := &object.members[i]
		if told[m] || m == except || m.kind() == 'n' {
			continue
		}
		name := prefix + label(m.name)
		switch {
		case m.kind() == '{' && prefix == "" && len(m.members) > 0:
			o.add(name+" · ", m, told, nil)
			continue
		case m.kind() == '"' && m.text() == "", m.kind() == '{' && len(m.members) == 0:
			continue
		}
		if items := o.items(m); len(items) > 0 {
			o.Facts = append(o.Facts, fact{chunks(name, longestName, false), items})
		}
	}
}

// items are what a value says: an array says several things.
func (o *readable) items(v *value) [][]chunk {
	if v.kind() != '[' {
		return [][]chunk{o.left.chunks(summary(v), false)}
	}
	var list [][]chunk
	for i := range v.members {
		if i == mostItems {
			return append(list, []chunk{{"… " + strconv.Itoa(len(v.members)-i+v.more) + " more", true}})
		}
		list = append(list, o.left.chunks(summary(&v.members[i]), false))
	}
	return list
}

// summary tells a value in one line.
func summary(v *value) string {
	switch v.kind() {
	case '"':
		return v.text()
	case '{':
		var parts []string
		for i := range v.members {
			if m := &v.members[i]; m.kind() != 'n' {
				parts = append(parts, label(m.name)+": "+summary(m))
			}
		}
		return strings.Join(parts, " · ")
	case '[':
		var parts []string
		for i := range v.members {
			parts = append(parts, summary(&v.members[i]))
		}
		return strings.Join(parts, ", ")
	case 't':
		return map[string]string{"true": "yes", "false": "no"}[string(v.raw)]
	}
	return string(v.raw)
}

// label makes words of a field's name.
func label(name string) string {
	words := strings.ReplaceAll(name, "_", " ")
	if rest, found := strings.CutSuffix(words, " id"); found {
		words = rest + " ID"
	}
	if words == "" {
		return `""`
	}
	first, size := utf8.DecodeRuneInString(words)
	return string(unicode.ToUpper(first)) + words[size:]
}
