package simulator

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"
)

// The states of notifications and wakeups.
const (
	statusPending  = "pending"
	statusConsumed = "consumed"
	statusExecuted = "executed"
)

// notification is an event that a project can poll. It is gone once it is
// acknowledged.
type notification struct {
	ID        string          `json:"notification_id"`
	ProjectID string          `json:"project_id"`
	EventType string          `json:"event_type"`
	AgentID   string          `json:"agent_id,omitempty"`
	UserID    string          `json:"user_id,omitempty"`
	Payload   json.RawMessage `json:"payload"`
	Status    string          `json:"status"`
	CreatedAt time.Time       `json:"created_at"`
}

func (p *project) notify(e Event, data json.RawMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notifications = bounded(append(p.notifications, notification{
		ID: e.ID, ProjectID: p.id, EventType: e.Type, AgentID: e.AgentID, UserID: e.UserID,
		Payload: data, Status: statusPending, CreatedAt: e.CreatedAt.UTC(),
	}), p.history)
}

// waiting returns up to limit notifications, the oldest first.
func (p *project) waiting(agentID, eventType string, limit int) []notification {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := []notification{}
	for _, n := range p.notifications {
		if len(found) == limit {
			break
		}
		if n.concerns(agentID, eventType) {
			found = append(found, n)
		}
	}
	return found
}

// concerns reports whether both filters fit; an empty one always does.
func (n notification) concerns(agentID, eventType string) bool {
	return (agentID == "" || agentID == n.AgentID) && (eventType == "" || eventType == n.EventType)
}

// acknowledge removes what fits and returns how many that were.
func (p *project) acknowledge(fits func(notification) bool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := len(p.notifications)
	p.notifications = slices.DeleteFunc(p.notifications, fits)
	return before - len(p.notifications)
}

// agent is the messages and wakeups of an agent.
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

// agent returns the agent with this id, which exists from now on. The caller
// holds s.mu.
func (s *Simulator) agent(id string) *agent {
	a, ok := s.agents[id]
	if !ok {
		a = &agent{}
		s.agents[id] = a
	}
	return a
}

// seen returns what is known of an agent, which may be nothing. The caller holds
// s.mu.
func (s *Simulator) seen(id string) agent {
	if a, ok := s.agents[id]; ok {
		return *a
	}
	return agent{}
}

// notifyAgent keeps an event that has a text for the user as a message of its
// agent.
func (s *Simulator) notifyAgent(e Event, data json.RawMessage) {
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
		return
	}
	text := cmp.Or(fields.Generated, fields.Content)
	if text == "" || (e.Type != "agent.message" && e.Type != EventWakeup) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.agent(e.AgentID)
	a.messages = bounded(append(a.messages, message{
		ID: cmp.Or(fields.MessageID, e.ID), AgentID: e.AgentID, UserID: e.UserID, Text: text,
		CheckType: cmp.Or(fields.CheckType, fields.Wakeup.CheckType),
		Intent:    cmp.Or(fields.Intent, fields.Wakeup.Intent),
		WakeupID:  cmp.Or(fields.WakeupID, fields.Wakeup.ID),
		Status:    statusPending, CreatedAt: stamp(e.CreatedAt),
	}), s.settings.history)
}

// messages returns up to limit messages with this status, the oldest first.
func (s *Simulator) messages(agentID, status, userID string, limit int) []message {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []message{}
	for _, m := range s.seen(agentID).messages {
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
func (s *Simulator) messageHistory(agentID string, limit int) []message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return newest(s.seen(agentID).messages, limit)
}

// newest returns copies of the last entries, the last one first.
func newest[T any](list []T, limit int) []T {
	last := append([]T{}, list[max(0, len(list)-limit):]...)
	slices.Reverse(last)
	return last
}

// consume reports whether there is such a message. One that was consumed before
// stays as it is.
func (s *Simulator) consume(agentID, messageID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	messages := s.seen(agentID).messages
	i := slices.IndexFunc(messages, func(m message) bool { return m.ID == messageID })
	if i < 0 {
		return false
	}
	if m := &messages[i]; m.Status != statusConsumed {
		m.Status, m.ConsumedAt = statusConsumed, stamp(s.now())
	}
	return true
}

// stamp writes a time in the way of the platform.
func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }
