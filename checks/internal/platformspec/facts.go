package platformspec

import "net/http"

// facts is what the tests check calls against: each call with its query, its body
// and its answer, and the objects that they name.
type facts struct {
	calls   map[string]callFacts // by method and path
	objects map[string]object
}

// callFacts is one call. Body and answer are names of objects; an empty answer
// is 204, and one of a call that creates something 201.
type callFacts struct {
	query   map[string]param
	body    string
	answer  string
	creates bool
}

// status is that of a good answer.
func (c callFacts) status() int {
	switch {
	case c.answer == "":
		return http.StatusNoContent
	case c.creates:
		return http.StatusCreated
	}
	return http.StatusOK
}

// param is a query parameter. Bounds of zero are none.
type param struct {
	kind     string
	min, max int
}

// object is the members of an object that has no others.
type object map[string]member

// member is a member of an object. Its kind is "string", "date-time", "base64",
// "uri", "integer", "boolean", "object", "any", or a list that may be null: "[]" and
// "string" or the name of an object.
type member struct {
	kind     string
	required bool
}

func must(kind string) member { return member{kind, true} }
func may(kind string) member  { return member{kind, false} }

var (
	text     = param{kind: "string"}
	upTo500  = param{"integer", 1, 500}
	upTo200  = param{"integer", 1, 200}
	attempts = map[string]param{"page_size": upTo500, "cursor": text}
	scope    = map[string]param{"agent_id": text, "event_type": text}
)

// written is the facts as the platform's documentation had them when this was
// written. They replace the document where it is missing, and are compared with it
// where it is there.
var written = facts{
	calls: map[string]callFacts{
		"GET /webhooks":                            {answer: "webhooks"},
		"PUT /webhooks/{eventType}":                {body: "target", answer: "registered"},
		"DELETE /webhooks/{eventType}":             {},
		"GET /webhooks/{eventType}/attempts":       {query: attempts, answer: "attempts"},
		"POST /webhooks/{eventType}/rotate-secret": {answer: "rotated"},

		"GET /projects/{projectId}/webhooks":                            {answer: "webhooks"},
		"PUT /projects/{projectId}/webhooks/{eventType}":                {body: "target", answer: "registered"},
		"DELETE /projects/{projectId}/webhooks/{eventType}":             {},
		"GET /projects/{projectId}/webhooks/{eventType}/attempts":       {query: attempts, answer: "attempts"},
		"POST /projects/{projectId}/webhooks/{eventType}/rotate-secret": {answer: "rotated"},

		"GET /channels":                {answer: "channels"},
		"POST /channels":               {body: "channelBody", answer: "channel", creates: true},
		"GET /channels/{channelId}":    {answer: "channel"},
		"PUT /channels/{channelId}":    {body: "channelBody", answer: "channel"},
		"DELETE /channels/{channelId}": {},

		"GET /projects/{projectId}/channels":                {answer: "channels"},
		"POST /projects/{projectId}/channels":               {body: "channelBody", answer: "channel", creates: true},
		"GET /projects/{projectId}/channels/{channelId}":    {answer: "channel"},
		"PUT /projects/{projectId}/channels/{channelId}":    {body: "channelBody", answer: "channel"},
		"DELETE /projects/{projectId}/channels/{channelId}": {},

		"GET /projects/{projectId}/notifications": {
			query:  map[string]param{"agent_id": text, "event_type": text, "limit": upTo200},
			answer: "projectNotifications"},
		"POST /projects/{projectId}/notifications/acknowledge":     {body: "ids", answer: "acknowledged"},
		"POST /projects/{projectId}/notifications/acknowledge-all": {query: scope, answer: "acknowledged"},

		"GET /agents/{agentId}/notifications": {
			query:  map[string]param{"status": text, "user_id": text, "limit": upTo500},
			answer: "agentNotifications"},
		"GET /agents/{agentId}/notifications/history": {
			query: map[string]param{"limit": upTo500}, answer: "agentNotifications"},
		"POST /agents/{agentId}/notifications/{messageId}/consume": {answer: "consumed"},

		"GET /agents/{agentId}/wakeups": {
			query: map[string]param{"status": text, "limit": upTo500}, answer: "wakeups"},
		"POST /agents/{agentId}/wakeups": {body: "wakeupRequest", answer: "scheduled"},
	},
	objects: map[string]object{
		"target":     {"webhook_url": must("string"), "auth_header": may("string")},
		"registered": {"success": must("boolean"), "signing_secret": may("string")},
		"rotated":    {"success": must("boolean"), "signing_secret": must("string")},
		"webhooks":   {"webhooks": must("[]webhook")},
		"webhook": {
			"project_id": must("string"), "event_type": must("string"), "webhook_url": must("string"),
			"auth_header": may("string"), "is_active": must("boolean"),
			"created_at": must("date-time"), "updated_at": must("date-time")},
		"attempts": {"attempts": must("[]attempt"), "has_more": must("boolean"), "next_cursor": may("string")},
		"attempt": {
			"attempt_id": must("string"), "project_id": must("string"), "event_type": must("string"),
			"webhook_url": must("string"), "attempt_number": must("integer"), "status": must("string"),
			"response_code": must("integer"), "duration_ms": must("integer"), "created_at": must("date-time"),
			"request_body": may("base64"), "response_body": may("string"), "error_message": may("string")},
		"channelBody": {
			"name": must("string"), "type": must("string"), "config": may("object"), "filter": may("object"),
			"events": may("[]string"), "active": may("boolean")},
		"channels": {"channels": must("[]channel")},
		"channel": {
			"channel_id": must("string"), "project_id": must("string"), "name": must("string"), "type": must("string"),
			"config": must("object"), "events": must("[]string"), "filter": may("object"), "active": must("boolean"),
			"created_at": must("date-time"), "updated_at": must("date-time")},
		"ids":                  {"notification_ids": must("[]string")},
		"acknowledged":         {"acknowledged": must("integer")},
		"projectNotifications": {"notifications": must("[]projectNotification"), "count": must("integer")},
		"projectNotification": {
			"notification_id": must("string"), "project_id": must("string"), "event_type": must("string"),
			"payload": must("any"), "status": must("string"), "created_at": must("date-time"),
			"agent_id": may("string"), "user_id": may("string"),
			"acknowledged_at": may("date-time"), "expires_at": may("date-time")},
		"agentNotifications": {"notifications": must("[]agentNotification")},
		"agentNotification": {
			"message_id": must("string"), "agent_id": must("string"), "user_id": must("string"),
			"check_type": must("string"), "generated_message": must("string"), "status": must("string"),
			"created_at": must("string"), "consumed_at": may("string"), "intent": may("string"),
			"wakeup_id": may("string")},
		"consumed": {"success": must("boolean")},
		"wakeupRequest": {
			"user_id": must("string"), "check_type": must("string"), "intent": must("string"),
			"delay_hours": must("integer"), "scheduled_at": may("string"), "occasion": may("string"),
			"interest_topic": may("string"), "event_description": may("string")},
		"scheduled": {"wakeup_id": must("string"), "scheduled_at": must("string")},
		"wakeups":   {"wakeups": must("[]wakeup")},
		"wakeup": {
			"wakeup_id": must("string"), "agent_id": must("string"), "user_id": must("string"),
			"check_type": must("string"), "scheduled_at": must("string"), "status": must("string"),
			"created_at": must("string"), "intent": may("string"), "occasion": may("string"),
			"interest_topic": may("string"), "event_description": may("string"), "last_topic": may("string"),
			"research_summary": may("string"), "executed_at": may("string")},
		problemObject: {
			"type": may("uri"), "title": may("string"), "status": may("integer"), "detail": may("string"),
			"instance": may("uri"), "errors": may("[]problemDetail")},
		"problemDetail": {"location": may("string"), "message": may("string"), "value": may("any")},
	},
}

// problemObject is the answer of every call that fails.
const problemObject = "problem"
