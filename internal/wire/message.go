package wire

import "sync"

// Message is a body and what was read of it. One goroutine uses it at a time.
type Message struct {
	Body    []byte   // the JSON, without a byte order mark
	Env     Envelope // zero until Layouts.Decode or FindContent
	Misfit  []string // the JSON names of fields that did not fit
	Key     string   // the natural key of the payload, from who decodes it
	Content []byte   // the payload, from FindContent; nil if it was not looked for

	read bool // Env is decoded
}

// messages is a pool: what is decoded copies what it keeps.
var messages = sync.Pool{New: func() any { return new(Message) }}

// NewMessage returns a Message of a body, to be released when nothing refers to it.
func NewMessage(body []byte) *Message {
	m := messages.Get().(*Message)
	m.Body = JSON(body)
	return m
}

// Release returns the memory to the pool.
func (m *Message) Release() {
	*m = Message{}
	messages.Put(m)
}

// FindContent finds the payload, and decodes the envelope if that is not done yet. The
// payload aliases the body only where it is the whole body. The error wraps
// ErrUndecodable.
func (m *Message) FindContent() error {
	if m.Content != nil {
		return nil
	}
	var env Envelope
	content, misfit, err := decodeEnvelope(m.Body, &env)
	if err != nil {
		return err
	}
	m.Content = content
	if !m.read {
		m.Env, m.Misfit, m.read = env, misfit, true
	}
	return nil
}

// EventID returns the id in the envelope, empty if there is none.
func (m *Message) EventID() string {
	for _, id := range []string{m.Env.EventID, m.Env.ID} {
		if !IsPlaceholder(id) {
			return id
		}
	}
	return ""
}
