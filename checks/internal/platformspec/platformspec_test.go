package platformspec

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/internal/traffic"
)

// openAPI is as much of a document as the facts are.
type openAPI struct {
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	Parameters []struct {
		Name, In string
		Schema   schema
	}
	RequestBody struct {
		Content map[string]struct{ Schema schema }
	} `json:"requestBody"`
	Responses map[string]struct {
		Content map[string]struct{ Schema schema }
	}
}

type schema struct {
	Ref        string            `json:"$ref"`
	Type       any               `json:"type"`
	Format     string            `json:"format"`
	Encoding   string            `json:"contentEncoding"`
	Minimum    int               `json:"minimum"`
	Maximum    int               `json:"maximum"`
	Items      *schema           `json:"items"`
	Properties map[string]schema `json:"properties"`
	Required   []string          `json:"required"`
	Additional json.RawMessage   `json:"additionalProperties"`
}

// resolved is an object with all that it leads to, in one text for each member,
// so that objects with other names compare.
func (d openAPI) resolved(t *testing.T, s schema) any {
	t.Helper()
	if s.Ref != "" {
		s = d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
		require.Equal(t, "false", string(s.Additional), "an object that may have other members")
	}
	if s.Properties != nil {
		members := map[string]any{}
		for name, property := range s.Properties {
			if name == "$schema" {
				continue
			}
			members[fmt.Sprintf("%s required=%v", name, slices.Contains(s.Required, name))] = d.resolved(t, property)
		}
		return members
	}
	if s.Items != nil {
		return []any{fmt.Sprint(s.Type), d.resolved(t, *s.Items)}
	}
	format := s.Format
	if format == "int64" {
		format = ""
	}
	return fmt.Sprintf("%v %s %s", s.Type, format, s.Encoding)
}

func (d openAPI) summary(t *testing.T) map[string]any {
	t.Helper()
	all := map[string]any{}
	for path, methods := range d.Paths {
		for method, op := range methods {
			parameters := map[string]string{}
			for _, p := range op.Parameters {
				parameters[p.In+" "+p.Name] = fmt.Sprintf("%v %d %d", p.Schema.Type, p.Schema.Minimum, p.Schema.Maximum)
			}
			call := map[string]any{"parameters": parameters}
			for mediaType, content := range op.RequestBody.Content {
				call["body "+mediaType] = d.resolved(t, content.Schema)
			}
			for status, response := range op.Responses {
				call[status] = "no body"
				for mediaType, content := range response.Content {
					call[status] = map[string]any{mediaType: d.resolved(t, content.Schema)}
				}
			}
			all[strings.ToUpper(method)+" "+path] = call
		}
	}
	return all
}

func summarize(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var d openAPI
	require.NoError(t, json.Unmarshal(text, &d))
	return d.summary(t)
}

func TestTheWrittenFactsAreThoseOfThePlatformsDocument(t *testing.T) {
	t.Parallel()
	text, err := locate()
	require.NoError(t, err)
	if text == nil {
		t.Skipf("the platform's document is not here: set %s to its path", envDocument)
	}
	document, err := written.document()
	require.NoError(t, err)
	require.Equal(t, summarize(t, text), summarize(t, document))
}

func TestAViolationIsReported(t *testing.T) {
	t.Parallel()
	good := `{"webhooks":null}`
	tests := map[string]struct {
		method, path, body string
		status             int
		mediaType, answer  string
		fault              string
	}{
		"a good call":              {method: "GET", path: "/webhooks", answer: good},
		"a list of the wrong type": {method: "GET", path: "/webhooks", answer: `{"webhooks":{}}`, fault: "answer 200"},
		"a member that is missing": {method: "GET", path: "/webhooks", answer: `{}`, fault: "answer 200"},
		"a member too many":        {method: "GET", path: "/webhooks", answer: `{"webhooks":[],"x":1}`, fault: "answer 200"},
		"a problem as a good answer": {
			method: "GET", path: "/webhooks", mediaType: "application/problem+json", answer: `{}`, fault: "answer"},
		"a problem that is plain JSON": {
			method: "GET", path: "/webhooks", status: 404, answer: `{"title":"x"}`, fault: "answer"},
		"a call that is not there":   {method: "PATCH", path: "/webhooks", answer: good, fault: "there is no call"},
		"a parameter that is not":    {method: "GET", path: "/webhooks?limit=1", answer: good, fault: "query parameter"},
		"a parameter past its bound": {method: "GET", path: "/agents/a/wakeups?limit=501", answer: `{"wakeups":[]}`, fault: "request"},
		"a body of the wrong form": {
			method: "PUT", path: "/webhooks/x", body: `{"webhookUrl":"https://x.example"}`,
			answer: `{"success":true}`, fault: "request"},
		"a time of the wrong form": {
			method: "GET", path: "/projects/p/notifications", fault: "answer 200",
			answer: `{"count":1,"notifications":[{"notification_id":"n","project_id":"p","event_type":"e","payload":1,"status":"s","created_at":"yesterday"}]}`},
		"a 200 where 204 belongs": {method: "DELETE", path: "/webhooks/x", answer: `{}`, fault: "answer"},
	}
	document, err := written.document()
	require.NoError(t, err)
	checker, err := newChecker(document)
	require.NoError(t, err)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			mediaType := "application/json"
			if test.mediaType != "" {
				mediaType = test.mediaType
			}
			faults := checker.Check(traffic.Call{
				Method: test.method, URL: "/api/v1" + test.path, Body: []byte(test.body),
				Header:   http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer sk_test"}},
				Answered: true, Status: max(test.status, 200),
				AnswerHeader: http.Header{"Content-Type": {mediaType}}, Answer: []byte(test.answer),
			})
			if test.fault == "" {
				require.Empty(t, faults)
				return
			}
			require.NotEmpty(t, faults)
			require.Contains(t, strings.Join(faults, "\n"), test.fault)
		})
	}
}

func TestAWrongCallIsCheckedForItsAnswerAlone(t *testing.T) {
	t.Parallel()
	document, err := written.document()
	require.NoError(t, err)
	checker, err := newChecker(document)
	require.NoError(t, err)
	call := traffic.Call{
		Method: "PUT", URL: "/api/v1/webhooks/x", Body: []byte(`{"webhookUrl":1}`),
		Header:   http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer sk_test"}},
		Answered: true, Status: 422,
		AnswerHeader: http.Header{"Content-Type": {"application/problem+json"}}, Answer: []byte(`{"title":"wrong","status":422}`),
	}
	require.NotEmpty(t, checker.Check(call))
	call.Wrong = true
	require.Empty(t, checker.Check(call))
	call.Answer = []byte(`{"title":1}`)
	require.NotEmpty(t, checker.Check(call))
	call.Answered = false
	require.Empty(t, checker.Check(call), "nothing was answered")
}

func TestACallThatNobodyMadeIsMissing(t *testing.T) {
	t.Parallel()
	all := Calls()
	require.Equal(t, all, Missing(nil))
	made := traffic.Call{Method: "GET", URL: "/api/v1/agents/Mira%2F1/notifications/history?limit=1"}
	require.NotContains(t, Missing([]traffic.Call{made}), "GET /agents/{agentId}/notifications/history")
	require.Len(t, Missing([]traffic.Call{made, made}), len(all)-1)
	made.Wrong = true
	require.Equal(t, all, Missing([]traffic.Call{made}))
}
