package simulator

import (
	"cmp"
	"time"
)

// wakeup is a time at which an agent turns to a user by itself.
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

// schedule keeps the wakeup and lets it fire when it is due.
func (s *Simulator) schedule(w *wakeup, at time.Time) {
	w.ID, w.Status = newID("wk"), statusPending
	w.ScheduledAt, w.CreatedAt = stamp(at), stamp(s.now())
	s.mu.Lock()
	a := s.agent(w.AgentID)
	a.wakeups = bounded(append(a.wakeups, w), s.settings.history)
	s.mu.Unlock()
	s.after(s.shorten(max(0, at.Sub(s.now()))), func() { s.fire(w) })
}

// fire sends the event of a wakeup. It runs on a worker, so it must not wait for
// a slot in the backlog that only a worker can free.
func (s *Simulator) fire(w *wakeup) {
	s.mu.Lock()
	w.Status, w.ExecutedAt = statusExecuted, stamp(s.now())
	fired := *w
	s.mu.Unlock()
	event := Event{
		Type: EventWakeup, AgentID: fired.AgentID, UserID: fired.UserID,
		Data: map[string]any{
			"wakeup":         fired,
			"memory_context": map[string]any{"recent_topics": []string{}},
			"has_energy":     true,
			"generated_message": "Hello! I wanted to talk with you about " +
				cmp.Or(fired.InterestTopic, fired.Occasion, fired.EventDescription, fired.Intent) + ".",
		},
	}
	d, err := s.prepare(&event)
	if err != nil {
		return // unreachable: the event is whole and its data marshals
	}
	s.keep(event, d)
	if d.project.registered(event.Type) {
		s.send(d)
	}
}

// wakeups returns up to limit wakeups of any or one status, the newest first.
func (s *Simulator) wakeups(agentID, status string, limit int) []wakeup {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []wakeup{}
	for _, w := range newest(s.seen(agentID).wakeups, s.settings.history) {
		if len(found) == limit {
			break
		}
		if status == "" || status == w.Status {
			found = append(found, *w)
		}
	}
	return found
}
