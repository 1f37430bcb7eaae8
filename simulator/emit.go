package simulator

import (
	"encoding/json"
	"errors"
	"net/http"
)

// EmitPath is a call that the platform does not have: POST an event there, with
// the API key, to let it happen. The body has "type", which is required, and
// "name", "id", "project_id", "agent_id", "user_id", "data" (an object),
// "layout" and "route" as in [Event]; the answer has "event_id".
const EmitPath = "/simulator/events"

var emitFields = []field{
	{"type", true, "string"}, {"name", false, "string"}, {"id", false, "string"},
	{"project_id", false, "string"}, {"agent_id", false, "string"}, {"user_id", false, "string"},
	{"data", false, "object"}, {"layout", false, "string"}, {"route", false, "string"},
}

func (s *Simulator) emitOverHTTP(r *http.Request) (any, error) {
	var body struct {
		Type      string          `json:"type"`
		Name      string          `json:"name"`
		ID        string          `json:"id"`
		ProjectID string          `json:"project_id"`
		AgentID   string          `json:"agent_id"`
		UserID    string          `json:"user_id"`
		Data      json.RawMessage `json:"data"`
		Layout    Layout          `json:"layout"`
		Route     Route           `json:"route"`
	}
	if err := readBody(r, emitFields, &body); err != nil {
		return nil, err
	}
	event := Event{
		Type: body.Type, Name: body.Name, ID: body.ID, ProjectID: body.ProjectID,
		AgentID: body.AgentID, UserID: body.UserID, Layout: body.Layout, Route: body.Route,
	}
	if body.Data != nil {
		event.Data = body.Data
	}
	id, err := s.Emit(r.Context(), event)
	switch {
	case errors.Is(err, ErrInvalidEvent):
		return nil, fail(http.StatusUnprocessableEntity, "%v", err)
	case err != nil:
		return nil, fail(http.StatusServiceUnavailable, "%v", err)
	}
	return map[string]string{"event_id": id}, nil
}
