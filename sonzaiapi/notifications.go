package sonzaiapi

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"
)

// The most entries that one call lists.
const (
	maxAgentList   = 500
	maxProjectList = 200
)

// AgentNotification is a message that an agent has for a user.
type AgentNotification struct {
	// ID is the message id; the platform's guides also spell it "id".
	ID      string `json:"message_id"`
	AgentID string `json:"agent_id"`
	UserID  string `json:"user_id"`
	// CheckType is what led to the message; the guides also spell it "type".
	CheckType string `json:"check_type"`
	Intent    string `json:"intent,omitempty"`
	// Message is the text; the guides also spell it "content".
	Message    string `json:"generated_message"`
	WakeupID   string `json:"wakeup_id,omitempty"`
	Status     string `json:"status"`
	CreatedAt  Time   `json:"created_at"`
	ConsumedAt Time   `json:"consumed_at,omitzero"`
	// Raw is the entry as the answer has it.
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON reads an entry in the spelling of the OpenAPI document or of the
// platform's guides.
func (n *AgentNotification) UnmarshalJSON(data []byte) error {
	type plain AgentNotification
	guides := struct{ ID, Type, Content string }{}
	if err := json.Unmarshal(data, (*plain)(n)); err != nil {
		return err
	}
	if err := json.Unmarshal(data, &guides); err == nil {
		n.ID = cmp.Or(n.ID, guides.ID)
		n.CheckType = cmp.Or(n.CheckType, guides.Type)
		n.Message = cmp.Or(n.Message, guides.Content)
	}
	n.Raw = append(json.RawMessage(nil), data...)
	return nil
}

// AgentQuery narrows [Agent.Notifications]. The zero value asks for the platform's
// default: the 50 pending messages of any user.
type AgentQuery struct {
	Status string
	UserID string
	Limit  int // 1 to 500
}

// Notifications lists the messages that wait to be consumed.
func (a Agent) Notifications(ctx context.Context, query AgentQuery) ([]AgentNotification, error) {
	k := get("agents", a.id, "notifications")
	k.query = url.Values{}
	k.filter("status", query.Status)
	k.filter("user_id", query.UserID)
	return a.notifications(ctx, k, query.Limit)
}

// History lists the messages of every status. limit is 1 to 500, 0 for the
// platform's default of 50.
func (a Agent) History(ctx context.Context, limit int) ([]AgentNotification, error) {
	k := get("agents", a.id, "notifications", "history")
	k.query = url.Values{}
	return a.notifications(ctx, k, limit)
}

func (a Agent) notifications(ctx context.Context, k call, limit int) ([]AgentNotification, error) {
	if err := k.limit("limit", limit, maxAgentList); err != nil {
		return nil, err
	}
	var answer struct {
		Notifications []AgentNotification `json:"notifications"`
	}
	err := a.client.do(ctx, k, &answer)
	return answer.Notifications, err
}

// Consume marks a message as consumed, so that it is not listed again.
func (a Agent) Consume(ctx context.Context, messageID string) error {
	k := post("agents", a.id, "notifications", messageID, "consume")
	var answer struct {
		Success bool `json:"success"`
	}
	if err := a.client.do(ctx, k, &answer); err != nil {
		return err
	}
	if !answer.Success {
		return k.refused("the platform answered success: false")
	}
	return nil
}

// ProjectNotification is an event of a project that waits to be acknowledged.
// Events of every type can be polled this way.
type ProjectNotification struct {
	ID        string `json:"notification_id"`
	ProjectID string `json:"project_id"`
	EventType string `json:"event_type"`
	AgentID   string `json:"agent_id,omitempty"`
	UserID    string `json:"user_id,omitempty"`
	// Payload is any JSON; its form is not documented.
	Payload        json.RawMessage `json:"payload"`
	Status         string          `json:"status"`
	CreatedAt      Time            `json:"created_at"`
	AcknowledgedAt Time            `json:"acknowledged_at,omitzero"`
	ExpiresAt      Time            `json:"expires_at,omitzero"`
}

// ProjectQuery narrows [Project.Notifications]. The zero value asks for the platform's
// default: the 50 pending notifications of any agent and type.
type ProjectQuery struct {
	AgentID   string
	EventType string
	Limit     int // 1 to 200
}

// Notifications lists the events that wait to be acknowledged.
func (p Project) Notifications(ctx context.Context, query ProjectQuery) ([]ProjectNotification, error) {
	k := get("projects", p.id, "notifications")
	k.query = url.Values{}
	if err := k.limit("limit", query.Limit, maxProjectList); err != nil {
		return nil, err
	}
	k.filter("agent_id", query.AgentID)
	k.filter("event_type", query.EventType)
	var answer struct {
		Notifications []ProjectNotification `json:"notifications"`
	}
	err := p.client.do(ctx, k, &answer)
	return answer.Notifications, err
}

// Acknowledge marks notifications as acknowledged and returns how many that
// changed. Without an id it makes no call.
func (p Project) Acknowledge(ctx context.Context, ids ...string) (int, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	k := post("projects", p.id, "notifications", "acknowledge")
	k.body = map[string][]string{"notification_ids": ids}
	return p.acknowledge(ctx, k)
}

// AcknowledgeAll marks every pending notification of the project as
// acknowledged, or those of one agent, one event type or both. An empty text
// does not narrow. It returns how many that changed.
func (p Project) AcknowledgeAll(ctx context.Context, agentID, eventType string) (int, error) {
	k := post("projects", p.id, "notifications", "acknowledge-all")
	k.query = url.Values{}
	k.filter("agent_id", agentID)
	k.filter("event_type", eventType)
	return p.acknowledge(ctx, k)
}

func (p Project) acknowledge(ctx context.Context, k call) (int, error) {
	var answer struct {
		Acknowledged int `json:"acknowledged"`
	}
	err := p.client.do(ctx, k, &answer)
	return answer.Acknowledged, err
}
