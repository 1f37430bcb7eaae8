package sonzaiapi

import (
	"context"
	"net/url"
	"time"
)

// WakeupRequest asks an agent to contact a user at a later time.
type WakeupRequest struct {
	// UserID, CheckType and Intent are required: for whom, what kind of check,
	// and why.
	UserID    string
	CheckType string
	Intent    string
	// At is when; it wins over DelayHours, which counts whole hours from now.
	At         time.Time
	DelayHours int
	// Occasion, InterestTopic and EventDescription give the agent more context.
	Occasion         string
	InterestTopic    string
	EventDescription string
}

// ScheduledWakeup is the answer to a [WakeupRequest].
type ScheduledWakeup struct {
	ID          string `json:"wakeup_id"`
	ScheduledAt Time   `json:"scheduled_at"`
}

// Wakeup is a wakeup as the platform lists it.
type Wakeup struct {
	ID               string `json:"wakeup_id"`
	AgentID          string `json:"agent_id"`
	UserID           string `json:"user_id"`
	CheckType        string `json:"check_type"`
	Intent           string `json:"intent,omitempty"`
	Status           string `json:"status"`
	Occasion         string `json:"occasion,omitempty"`
	InterestTopic    string `json:"interest_topic,omitempty"`
	EventDescription string `json:"event_description,omitempty"`
	LastTopic        string `json:"last_topic,omitempty"`
	ResearchSummary  string `json:"research_summary,omitempty"`
	ScheduledAt      Time   `json:"scheduled_at"`
	ExecutedAt       Time   `json:"executed_at,omitzero"`
	CreatedAt        Time   `json:"created_at"`
}

// WakeupQuery narrows [Agent.Wakeups]. The zero value asks for the
// platform's default: 50 wakeups of any status.
type WakeupQuery struct {
	Status string // such as "pending" or "executed"
	Limit  int    // 1 to 500
}

// ScheduleWakeup schedules a wakeup. It is not retried: a second call would schedule a
// second wakeup.
func (a Agent) ScheduleWakeup(ctx context.Context, w WakeupRequest) (ScheduledWakeup, error) {
	k := post("agents", a.id, "wakeups")
	if w.UserID == "" || w.CheckType == "" || w.Intent == "" {
		return ScheduledWakeup{}, k.invalid("a wakeup needs UserID, CheckType and Intent")
	}
	if w.DelayHours < 0 {
		return ScheduledWakeup{}, k.invalid("DelayHours must not be negative")
	}
	body := wakeupBody{
		UserID: w.UserID, CheckType: w.CheckType, Intent: w.Intent, DelayHours: w.DelayHours,
		Occasion: w.Occasion, InterestTopic: w.InterestTopic, EventDescription: w.EventDescription,
	}
	if !w.At.IsZero() {
		body.ScheduledAt = w.At.Format(time.RFC3339Nano)
	}
	k.body = body
	var answer ScheduledWakeup
	err := a.client.do(ctx, k, &answer)
	return answer, err
}

type wakeupBody struct {
	UserID           string `json:"user_id"`
	CheckType        string `json:"check_type"`
	Intent           string `json:"intent"`
	DelayHours       int    `json:"delay_hours"`
	ScheduledAt      string `json:"scheduled_at,omitempty"`
	Occasion         string `json:"occasion,omitempty"`
	InterestTopic    string `json:"interest_topic,omitempty"`
	EventDescription string `json:"event_description,omitempty"`
}

// Wakeups lists the wakeups of the agent.
func (a Agent) Wakeups(ctx context.Context, query WakeupQuery) ([]Wakeup, error) {
	k := get("agents", a.id, "wakeups")
	k.query = url.Values{}
	if err := k.limit("limit", query.Limit, maxAgentList); err != nil {
		return nil, err
	}
	k.filter("status", query.Status)
	var answer struct {
		Wakeups []Wakeup `json:"wakeups"`
	}
	err := a.client.do(ctx, k, &answer)
	return answer.Wakeups, err
}
