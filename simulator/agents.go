package simulator

import (
	"cmp"
	"encoding/json"
	"slices"
	"sync"
	"time"
)

// agents are the messages and wakeups of every agent that was named.
type agents struct {
	history int

	mu   sync.Mutex // guards byID and what is in it
	byID map[string]*agent
}

// agent is the messages and wakeups of an agent, the oldest first.
type agent struct {
	messages []message
	wakeups  []*wakeup
}

// message is what an agent has to say to a user.
type message struct {
	ID         string `json:"message_id"`
	AgentID    string `json:"agent_id"`
	UserID     string `json:"user_id"`
	CheckType  string `json:"check_type"`
	Intent     string `json:"intent,omitempty"`
	Text       string `json:"generated_message"`
	WakeupID   string `json:"wakeup_id,omitempty"`
	Status     string `json:"status"`
	CreatedAt  string `json:"created_at"`
	ConsumedAt string `json:"consumed_at,omitempty"`
}

// wakeup is a time at which an agent turns to a user without being asked.
type wakeup struct {
	ID               string `json:"wakeup_id"`
	AgentID          string `json:"agent_id"`
	UserID           string `json:"user_id"`
	CheckType        string `json:"check_type"`
	Intent           string `json:"intent,omitempty"`
	ScheduledAt      string `json:"scheduled_at"`
	Status           string `json:"status"`
	Occasion         string `json:"occasion,omitempty"`
	InterestTopic    string `json:"interest_topic,omitempty"`
	EventDescription string `json:"event_description,omitempty"`
	ExecutedAt       string `json:"executed_at,omitempty"`
	CreatedAt        string `json:"created_at"`
}

// named returns the agent with this id, which exists from now on. The caller
// holds l.mu.
func (l *agents) named(id string) *agent {
	a, ok := l.byID[id]
	if !ok {
		a = &agent{}
		l.byID[id] = a
	}
	return a
}

// seen returns what is known of an agent, which may be nothing. The caller holds
// l.mu.
func (l *agents) seen(id string) agent {
	if a, ok := l.byID[id]; ok {
		return *a
	}
	return agent{}
}

// messageOf returns the message in an event that has a text for the user.
func messageOf(e Event, data json.RawMessage) (message, bool) {
	fields := struct {
		MessageID string `json:"message_id"`
		CheckType string `json:"check_type"`
		Intent    string `json:"intent"`
		WakeupID  string `json:"wakeup_id"`
		Content   string `json:"content"`
		Generated string `json:"generated_message"`
		Wakeup    struct {
			ID        string `json:"wakeup_id"`
			CheckType string `json:"check_type"`
			Intent    string `json:"intent"`
		} `json:"wakeup"`
	}{}
	// Data of another form has no message for the user.
	if json.Unmarshal(data, &fields) != nil || e.AgentID == "" {
		return message{}, false
	}
	text := cmp.Or(fields.Generated, fields.Content)
	names := namesOf(e.Type)
	if text == "" || !slices.Contains(names, eventMessage) && !slices.Contains(names, EventWakeup) {
		return message{}, false
	}
	return message{
		ID: cmp.Or(fields.MessageID, e.ID), AgentID: e.AgentID, UserID: e.UserID, Text: text,
		CheckType: cmp.Or(fields.CheckType, fields.Wakeup.CheckType),
		Intent:    cmp.Or(fields.Intent, fields.Wakeup.Intent),
		WakeupID:  cmp.Or(fields.WakeupID, fields.Wakeup.ID),
		Status:    statusPending, CreatedAt: stamp(e.CreatedAt),
	}, true
}

// add keeps a message of its agent.
func (l *agents) add(m message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.named(m.AgentID)
	a.messages = bounded(append(a.messages, m), l.history)
}

// messages returns up to limit messages with this status, the oldest first.
func (l *agents) messages(agentID, status, userID string, limit int) []message {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := []message{}
	for _, m := range l.seen(agentID).messages {
		if len(found) == limit {
			break
		}
		if m.Status == status && (userID == "" || userID == m.UserID) {
			found = append(found, m)
		}
	}
	return found
}

// messageHistory returns up to limit messages, the newest first.
func (l *agents) messageHistory(agentID string, limit int) []message {
	l.mu.Lock()
	defer l.mu.Unlock()
	return newest(l.seen(agentID).messages, limit)
}

// consume reports whether there is such a message. One that was consumed before
// stays as it is.
func (l *agents) consume(agentID, messageID string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	messages := l.seen(agentID).messages
	i := slices.IndexFunc(messages, func(m message) bool { return m.ID == messageID })
	if i < 0 {
		return false
	}
	if m := &messages[i]; m.Status != statusConsumed {
		m.Status, m.ConsumedAt = statusConsumed, stamp(now)
	}
	return true
}

// schedule keeps a wakeup.
func (l *agents) schedule(w *wakeup) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.named(w.AgentID)
	a.wakeups = bounded(append(a.wakeups, w), l.history)
}

// execute marks a wakeup as executed and returns a copy of it.
func (l *agents) execute(w *wakeup, now time.Time) wakeup {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.Status, w.ExecutedAt = statusExecuted, stamp(now)
	return *w
}

// wakeups returns up to limit wakeups of any or one status, the newest first.
func (l *agents) wakeups(agentID, status string, limit int) []wakeup {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := []wakeup{}
	for _, w := range newest(l.seen(agentID).wakeups, l.history) {
		if len(found) == limit {
			break
		}
		if status == "" || status == w.Status {
			found = append(found, *w)
		}
	}
	return found
}
