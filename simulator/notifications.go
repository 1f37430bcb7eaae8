package simulator

import (
	"encoding/json"
	"slices"
	"sync"
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

// concerns reports whether both filters fit; an empty one always does.
func (n notification) concerns(agentID, eventType string) bool {
	return (agentID == "" || agentID == n.AgentID) && (eventType == "" || eventType == n.EventType)
}

// notifications are those of a project, the oldest first.
type notifications struct {
	mu   sync.Mutex
	list []notification
}

func (l *notifications) add(n notification, history int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = bounded(append(l.list, n), history)
}

// waiting returns up to limit notifications, the oldest first.
func (l *notifications) waiting(agentID, eventType string, limit int) []notification {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := []notification{}
	for _, n := range l.list {
		if len(found) == limit {
			break
		}
		if n.concerns(agentID, eventType) {
			found = append(found, n)
		}
	}
	return found
}

// acknowledge removes what fits and returns how many that were.
func (l *notifications) acknowledge(fits func(notification) bool) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := len(l.list)
	l.list = slices.DeleteFunc(l.list, fits)
	return before - len(l.list)
}

// stamp writes a time in the way of the platform.
func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }

// bounded drops the oldest entries past a limit. It drops a tenth at a time, so
// that a full list is not moved for each new entry.
func bounded[T any](list []T, limit int) []T {
	if len(list) <= limit+limit/10 {
		return list
	}
	return append([]T(nil), list[len(list)-limit:]...)
}

// newest returns copies of the last entries, the last one first.
func newest[T any](list []T, limit int) []T {
	last := append([]T{}, list[max(0, len(list)-limit):]...)
	slices.Reverse(last)
	return last
}
