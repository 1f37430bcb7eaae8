package simulator

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	maxDelayInHours  = 24 * 366 * 10
	notRegisteredFmt = "there is no webhook for %q"
)

// projectOf is the project of a call; that it exists was checked before.
func (s *Simulator) projectOf(r *http.Request) *project {
	p, _ := s.project(r.PathValue("projectId"))
	return p
}

// success is the answer of calls that change something.
type success struct {
	Success bool   `json:"success"`
	Secret  string `json:"signing_secret,omitempty"`
}

func (s *Simulator) putWebhook() handler {
	fields := []field{{"webhook_url", true, "string"}, {"auth_header", false, "string"}}
	return func(r *http.Request) (any, error) {
		var body struct {
			URL        string `json:"webhook_url"`
			AuthHeader string `json:"auth_header"`
		}
		if err := readBody(r, fields, &body); err != nil {
			return nil, err
		}
		if fault := s.checkURL(body.URL); fault != "" {
			return nil, unprocessable(detail{"body.webhook_url", fault})
		}
		if strings.ContainsAny(body.AuthHeader, "\r\n\x00") {
			return nil, unprocessable(detail{"body.auth_header", "expected one line"})
		}
		secret := s.projectOf(r).register(r.PathValue("eventType"), body.URL, body.AuthHeader, s.now())
		return success{true, secret}, nil
	}
}

// checkURL says what is wrong with a webhook URL.
func (s *Simulator) checkURL(text string) string {
	target, err := url.Parse(text)
	if err != nil || target.Hostname() == "" {
		return "expected a URL"
	}
	if target.Scheme == "https" || target.Scheme == "http" && s.settings.insecureURLs {
		return ""
	}
	ip := net.ParseIP(target.Hostname())
	if target.Scheme == "http" && (target.Hostname() == "localhost" || ip != nil && ip.IsLoopback()) {
		return ""
	}
	return "expected an https URL"
}

func (s *Simulator) listWebhooks() handler {
	type webhook struct {
		ProjectID  string    `json:"project_id"`
		EventType  string    `json:"event_type"`
		URL        string    `json:"webhook_url"`
		AuthHeader string    `json:"auth_header,omitempty"`
		Active     bool      `json:"is_active"`
		CreatedAt  time.Time `json:"created_at"`
		UpdatedAt  time.Time `json:"updated_at"`
	}
	return func(r *http.Request) (any, error) {
		p := s.projectOf(r)
		all := []webhook{}
		for _, entry := range p.list() {
			all = append(all, webhook{
				p.id, entry.eventType, entry.url, entry.authHeader, true, entry.created.UTC(), entry.updated.UTC(),
			})
		}
		return map[string]any{"webhooks": all}, nil
	}
}

func (s *Simulator) deleteWebhook() handler {
	return func(r *http.Request) (any, error) {
		if eventType := r.PathValue("eventType"); !s.projectOf(r).remove(eventType) {
			return nil, fail(http.StatusNotFound, notRegisteredFmt, eventType)
		}
		return nil, nil
	}
}

func (s *Simulator) rotateSecret() handler {
	return func(r *http.Request) (any, error) {
		eventType := r.PathValue("eventType")
		secret, ok := s.projectOf(r).rotate(eventType, s.now())
		if !ok {
			return nil, fail(http.StatusNotFound, notRegisteredFmt, eventType)
		}
		return success{true, secret}, nil
	}
}

func (s *Simulator) listAttempts() handler {
	type attempt struct {
		ID           string    `json:"attempt_id"`
		ProjectID    string    `json:"project_id"`
		EventType    string    `json:"event_type"`
		URL          string    `json:"webhook_url"`
		Number       int       `json:"attempt_number"`
		Status       string    `json:"status"`
		Code         int       `json:"response_code"`
		RequestBody  []byte    `json:"request_body,omitempty"`
		ResponseBody string    `json:"response_body,omitempty"`
		Error        string    `json:"error_message,omitempty"`
		DurationMS   int64     `json:"duration_ms"`
		CreatedAt    time.Time `json:"created_at"`
	}
	type page struct {
		Attempts   []attempt `json:"attempts"`
		HasMore    bool      `json:"has_more"`
		NextCursor string    `json:"next_cursor,omitempty"`
	}
	return func(r *http.Request) (any, error) {
		size, err := intParam(r, "page_size", maxPageSize)
		if err != nil {
			return nil, err
		}
		before, ok := 0, true
		if cursor := r.URL.Query().Get("cursor"); cursor != "" {
			before, ok = readCursor(cursor)
		}
		if !ok {
			return nil, fail(http.StatusBadRequest, "the cursor is not one that this call gave")
		}
		found, more := s.projectOf(r).page(recipient{eventType: r.PathValue("eventType")}, size, before)
		answer := page{Attempts: []attempt{}, HasMore: more}
		for _, a := range found {
			answer.Attempts = append(answer.Attempts, attempt{
				a.ID, a.ProjectID, a.EventType, a.URL, a.Number, a.status(), a.Code, a.RequestBody,
				a.ResponseBody, a.Error, a.Duration.Milliseconds(), a.CreatedAt.UTC(),
			})
		}
		if more {
			answer.NextCursor = writeCursor(found[len(found)-1].seq)
		}
		return answer, nil
	}
}

func (s *Simulator) listNotifications() handler {
	return func(r *http.Request) (any, error) {
		limit, err := intParam(r, "limit", maxProjectLimit)
		if err != nil {
			return nil, err
		}
		query := r.URL.Query()
		found := s.projectOf(r).notifications.waiting(query.Get("agent_id"), query.Get("event_type"), limit)
		return map[string]any{"notifications": found, "count": len(found)}, nil
	}
}

func (s *Simulator) acknowledge() handler {
	fields := []field{{"notification_ids", true, "strings"}}
	return func(r *http.Request) (any, error) {
		var body struct {
			IDs []string `json:"notification_ids"`
		}
		if err := readBody(r, fields, &body); err != nil {
			return nil, err
		}
		n := s.projectOf(r).notifications.acknowledge(func(n notification) bool { return slices.Contains(body.IDs, n.ID) })
		return map[string]int{"acknowledged": n}, nil
	}
}

func (s *Simulator) acknowledgeAll() handler {
	return func(r *http.Request) (any, error) {
		query := r.URL.Query()
		n := s.projectOf(r).notifications.acknowledge(func(n notification) bool {
			return n.concerns(query.Get("agent_id"), query.Get("event_type"))
		})
		return map[string]int{"acknowledged": n}, nil
	}
}

func (s *Simulator) listMessages() handler {
	return func(r *http.Request) (any, error) {
		limit, err := intParam(r, "limit", maxAgentLimit)
		if err != nil {
			return nil, err
		}
		query := r.URL.Query()
		status := query.Get("status")
		if status == "" {
			status = statusPending
		}
		found := s.agents.messages(r.PathValue("agentId"), status, query.Get("user_id"), limit)
		return map[string]any{"notifications": found}, nil
	}
}

func (s *Simulator) listHistory() handler {
	return func(r *http.Request) (any, error) {
		limit, err := intParam(r, "limit", maxAgentLimit)
		if err != nil {
			return nil, err
		}
		return map[string]any{"notifications": s.agents.messageHistory(r.PathValue("agentId"), limit)}, nil
	}
}

func (s *Simulator) consumeMessage() handler {
	return func(r *http.Request) (any, error) {
		if !s.agents.consume(r.PathValue("agentId"), r.PathValue("messageId"), s.now()) {
			return nil, fail(http.StatusNotFound, "the agent has no such notification")
		}
		return success{Success: true}, nil
	}
}

func (s *Simulator) listWakeups() handler {
	return func(r *http.Request) (any, error) {
		limit, err := intParam(r, "limit", maxAgentLimit)
		if err != nil {
			return nil, err
		}
		found := s.agents.wakeups(r.PathValue("agentId"), r.URL.Query().Get("status"), limit)
		return map[string]any{"wakeups": found}, nil
	}
}

func (s *Simulator) scheduleWakeup() handler {
	fields := []field{
		{"user_id", true, "string"}, {"check_type", true, "string"}, {"intent", true, "string"},
		{"delay_hours", true, "integer"}, {"scheduled_at", false, "string"}, {"occasion", false, "string"},
		{"interest_topic", false, "string"}, {"event_description", false, "string"},
	}
	return func(r *http.Request) (any, error) {
		var body struct {
			wakeup
			DelayHours int64 `json:"delay_hours"`
		}
		if err := readBody(r, fields, &body); err != nil {
			return nil, err
		}
		if body.DelayHours < 0 || body.DelayHours > maxDelayInHours {
			return nil, unprocessable(detail{"body.delay_hours", "expected hours from now, ten years at most"})
		}
		at := s.now().Add(time.Duration(body.DelayHours) * time.Hour)
		if body.ScheduledAt != "" {
			parsed, err := time.Parse(time.RFC3339, body.ScheduledAt)
			if err != nil {
				return nil, unprocessable(detail{"body.scheduled_at", "expected an RFC 3339 time"})
			}
			at = parsed
		}
		w := body.wakeup
		w.AgentID = r.PathValue("agentId")
		s.schedule(&w, at)
		return map[string]string{"wakeup_id": w.ID, "scheduled_at": w.ScheduledAt}, nil
	}
}
