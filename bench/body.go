package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/sonzaihook/sonzaihook"
)

// The bodies are events as the platform would send them: a fact for the small
// ones, the diary of many days for the large ones. They are the same in every
// run, and exactly as long as they say.

// sizes are the lengths of the bodies that every table has a column for.
var sizes = []size{{400, "400 B"}, {2 << 10, "2 KB"}, {16 << 10, "16 KB"}, {256 << 10, "256 KB"}}

type size struct {
	bytes int
	label string
}

// body is one event in one layout. Its ids can be changed in place, so that a body
// can be delivered many times without being the same event twice, and without
// being all the same strings to a decoder that remembers strings.
type body struct {
	typ   sonzaihook.EventType
	bytes []byte
	ids   []int // where the digits of the ids are
	items int   // what a handler that has decoded the payload can count in it
}

const (
	idDigits = 8
	noID     = "00000000"
)

// setID makes the body the n-th event.
func (b *body) setID(n int) {
	for _, at := range b.ids {
		for i, rest := at+idDigits-1, n; i >= at; i-- {
			b.bytes[i] = byte('0' + rest%10)
			rest /= 10
		}
	}
}

func (b *body) clone() *body {
	c := *b
	c.bytes = bytes.Clone(b.bytes)
	return &c
}

// layout says where an event's payload stands. Every peer is sent the same
// payload, but one decodes the envelope itself and insists on its own.
type layout int

const (
	sonzaiLayout layout = iota
	stripeLayout
)

// shape says what a payload is made of, which decides what decoding it costs.
type shape int

const (
	plainText   shape = iota // prose without anything that JSON escapes
	markedText               // prose with quotes, line breaks and accents
	shortValues              // hundreds of names and hardly any prose
)

// newBody returns a body of n bytes in the shape that all tables but one are about.
func newBody(n int, l layout) *body { return newShapedBody(n, l, plainText) }

func newShapedBody(n int, l layout, s shape) *body {
	b := &body{typ: sonzaihook.EventMemoryAdded}
	build := memoryAdded
	if n >= 16<<10 && s != shortValues {
		b.typ, build = sonzaihook.EventConsolidation, consolidation
	}
	// The filler is as long as what is missing without it.
	empty, _ := build(n, 0, s)
	missing := n - len(envelope(b.typ, empty, l))
	if missing < 0 {
		panic(fmt.Sprintf("a body of %d bytes is too short for its event", n))
	}
	data, items := build(n, missing, s)
	b.bytes, b.items = envelope(b.typ, data, l), items
	for at := 0; ; at += idDigits {
		next := bytes.Index(b.bytes[at:], []byte("_"+noID))
		if next < 0 {
			return b
		}
		at += next + 1
		b.ids = append(b.ids, at)
	}
}

func envelope(t sonzaihook.EventType, data any, l layout) []byte {
	type object struct {
		Object any `json:"object"`
	}
	var event any
	switch l {
	case sonzaiLayout:
		event = struct {
			EventType sonzaihook.EventType `json:"event_type"`
			EventID   string               `json:"event_id"`
			AgentID   string               `json:"agent_id"`
			UserID    string               `json:"user_id"`
			ProjectID string               `json:"project_id"`
			CreatedAt string               `json:"created_at"`
			Data      any                  `json:"data"`
		}{t, "evt_" + noID, "agent_luna", "user_" + noID, "proj_demo", "2026-03-01T09:30:00Z", data}
	case stripeLayout:
		event = struct {
			ID      string               `json:"id"`
			Object  string               `json:"object"`
			Created int64                `json:"created"`
			Type    sonzaihook.EventType `json:"type"`
			Data    object               `json:"data"`
		}{"evt_" + noID, "event", 1772357400, t, object{data}}
	}
	out, err := json.Marshal(event)
	if err != nil {
		panic(err)
	}
	return out
}

// writer makes the same text in every run.
type writer struct {
	random *rand.Rand
	marked bool
}

func newWriter(s shape) *writer {
	return &writer{random: rand.New(rand.NewPCG(1, 2)), marked: s == markedText}
}

var words = strings.Fields(`the agent remembers a quiet evening by the river where her sister played
	cello and nobody spoke of work until rain came and they walked home laughing about old plans new
	songs some bread and street lights which felt like promises kept without being asked for again`)

// text returns n bytes of prose as they come out of an encoder.
func (w *writer) text(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		word := words[w.random.IntN(len(words))]
		if w.marked {
			word = mark(word, i)
		}
		if b.Len() > 0 {
			word = " " + word
		}
		if b.Len()+len(word) > n {
			word = strings.Repeat("m", n-b.Len())
		}
		b.WriteString(word)
	}
	return b.String()
}

// mark gives the i-th word what prose has besides words.
func mark(word string, i int) string {
	switch {
	case i%37 == 36:
		return `\"` + word + `\"`
	case i%41 == 40:
		return "café"
	case i%53 == 52:
		return word + `.\n`
	}
	return word
}

// prose returns n bytes of text as a JSON string.
func (w *writer) prose(n int) json.RawMessage {
	return json.RawMessage(`"` + w.text(n) + `"`)
}

func (w *writer) names(n int, prefix string) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = prefix + words[w.random.IntN(len(words))]
	}
	return names
}

// memoryAdded returns a fact, and the number of its entities.
func memoryAdded(n, filler int, s shape) (any, int) {
	w := newWriter(s)
	entities, tags := 1, 0
	if n >= 1<<10 {
		entities, tags = 6, 4
	}
	if s == shortValues {
		entities, tags = max(1, (n-400)/20), max(0, (n-400)/40)
	}
	type fact struct {
		FactID     string          `json:"fact_id"`
		AtomicText json.RawMessage `json:"atomic_text"`
		FactType   string          `json:"fact_type"`
		Importance float64         `json:"importance"`
		Confidence float64         `json:"confidence"`
		Entities   []string        `json:"entities"`
		TopicTags  []string        `json:"topic_tags,omitempty"`
		SessionID  string          `json:"session_id,omitempty"`
		NodeID     string          `json:"node_id,omitempty"`
		CreatedAt  string          `json:"created_at,omitempty"`
		Metadata   map[string]any  `json:"metadata,omitempty"`
	}
	f := fact{
		FactID: "fact_" + noID, FactType: "relationship", Importance: 0.8, Confidence: 0.95,
		Entities: w.names(entities, ""), TopicTags: w.names(tags, "on_"),
	}
	if n >= 1<<10 {
		f.SessionID, f.NodeID, f.CreatedAt = "sess_5510", "node_12", "2026-03-01T09:30:00Z"
		f.Metadata = map[string]any{"source": "conversation", "turn": 17}
	}
	f.AtomicText = w.prose(filler)
	return f, entities
}

// diaryPage is roughly how long an entry of a diary is: a few paragraphs of prose,
// and some 150 bytes around it.
const diaryPage = 1000

// consolidation returns a diary, and the number of its entries.
func consolidation(n, filler int, s shape) (any, int) {
	w := newWriter(s)
	type entry struct {
		Date    string          `json:"date"`
		Content json.RawMessage `json:"content"`
		Mood    string          `json:"mood"`
		Topics  []string        `json:"topics"`
	}
	entries := make([]entry, n/diaryPage)
	for i := range entries {
		entries[i] = entry{
			Date:    fmt.Sprintf("20%02d-%02d-%02d", 24+i/336%3, 1+i/28%12, 1+i%28),
			Content: w.prose(diaryPage - 150),
			Mood:    words[w.random.IntN(len(words))],
			Topics:  w.names(3, ""),
		}
	}
	last := &entries[len(entries)-1]
	last.Content = w.prose(filler)
	return struct {
		Period                 string  `json:"period"`
		DaysProcessed          int     `json:"days_processed"`
		ConsolidationProcessed int     `json:"consolidation_processed"`
		WeeklyConsolidations   int     `json:"weekly_consolidations"`
		DiaryEntriesCreated    int     `json:"diary_entries_created"`
		DiaryEntries           []entry `json:"diary_entries"`
	}{"weekly", len(entries), 14, 1, len(entries), entries}, len(entries)
}
