package sonzaiapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

const testKey = "sk_test_do_not_print"

// transport answers in place of a platform.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(status int, contentType, body string, header ...string) *http.Response {
	response := &http.Response{
		StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)),
	}
	if contentType != "" {
		response.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		response.Header.Set(header[i], header[i+1])
	}
	return response
}

func newClient(t *testing.T, f transport, opts ...sonzaiapi.Option) *sonzaiapi.Client {
	t.Helper()
	opts = append([]sonzaiapi.Option{
		sonzaiapi.WithBaseURL("https://platform.example/api/v1"),
		sonzaiapi.WithHTTPClient(&http.Client{Transport: f}),
		sonzaiapi.WithLogger(slog.New(slog.DiscardHandler)),
	}, opts...)
	client, err := sonzaiapi.New(testKey, opts...)
	require.NoError(t, err)
	return client
}

// always is a transport that answers the same each time.
func always(status int, contentType, body string, header ...string) transport {
	return func(*http.Request) (*http.Response, error) {
		return respond(status, contentType, body, header...), nil
	}
}

func once() sonzaiapi.Option { return sonzaiapi.WithRetries(1, 1, 1) }

func TestNewTakesKeyAndAddressFromTheEnvironment(t *testing.T) {
	var seen *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"webhooks":null}`)
	}))
	defer server.Close()
	t.Setenv(sonzaiapi.EnvAPIKey, " sk_from_env\n")
	t.Setenv(sonzaiapi.EnvBaseURL, server.URL+"/base/")
	client, err := sonzaiapi.New("")
	require.NoError(t, err)
	list, err := client.Webhooks().List(t.Context())
	require.NoError(t, err)
	require.Empty(t, list)
	require.Equal(t, "Bearer sk_from_env", seen.Header.Get("Authorization"))
	require.Equal(t, "/base/webhooks", seen.URL.Path)
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Setenv(sonzaiapi.EnvAPIKey, "")
	t.Setenv(sonzaiapi.EnvBaseURL, "")
	_, err := sonzaiapi.New("")
	require.ErrorIs(t, err, sonzaiapi.ErrNoAPIKey)
	require.ErrorContains(t, err, "SONZAI_API_KEY")
	_, err = sonzaiapi.New("sk_a\nb")
	require.ErrorIs(t, err, sonzaiapi.ErrNoAPIKey)
	require.NotContains(t, err.Error(), "sk_a")
	for name, option := range map[string]sonzaiapi.Option{
		"http elsewhere":      sonzaiapi.WithBaseURL("http://platform.example/secret-path"),
		"no scheme":           sonzaiapi.WithBaseURL("platform.example/secret-path"),
		"another scheme":      sonzaiapi.WithBaseURL("ftp://platform.example/secret-path"),
		"user in the URL":     sonzaiapi.WithBaseURL("https://me:secret-path@platform.example"),
		"query":               sonzaiapi.WithBaseURL("https://platform.example/?a=secret-path"),
		"no client":           sonzaiapi.WithHTTPClient(nil),
		"no logger":           sonzaiapi.WithLogger(nil),
		"negative timeout":    sonzaiapi.WithTimeout(-1),
		"no answer":           sonzaiapi.WithMaxAnswer(0),
		"no try":              sonzaiapi.WithRetries(0, 1, 1),
		"no wait":             sonzaiapi.WithRetries(2, 0, 1),
		"longest below first": sonzaiapi.WithRetries(2, 2, 1),
	} {
		_, err := sonzaiapi.New(testKey, option)
		require.ErrorIs(t, err, sonzaiapi.ErrInvalidOption, name)
		require.NotContains(t, err.Error(), "secret-path", name)
	}
	_, err = sonzaiapi.New(testKey, sonzaiapi.WithBaseURL("http://platform.example"), sonzaiapi.WithInsecureHTTP())
	require.NoError(t, err)
}

func TestEveryStatusHasItsKind(t *testing.T) {
	t.Parallel()
	problem := `{"type":"about:blank","title":"T","status":0,"detail":"what happened","instance":"/i",` +
		`"errors":[{"location":"body.x","message":"expected y","value":"whsec_value"}]}`
	for status, kind := range map[int]error{
		400: sonzaiapi.ErrInvalidRequest, 401: sonzaiapi.ErrUnauthorized, 403: sonzaiapi.ErrForbidden,
		404: sonzaiapi.ErrNotFound, 409: sonzaiapi.ErrConflict, 413: sonzaiapi.ErrInvalidRequest,
		415: sonzaiapi.ErrInvalidRequest, 422: sonzaiapi.ErrInvalidRequest, 429: sonzaiapi.ErrRateLimited,
		500: sonzaiapi.ErrUnavailable, 502: sonzaiapi.ErrUnavailable, 503: sonzaiapi.ErrUnavailable,
		504: sonzaiapi.ErrUnavailable, 302: sonzaiapi.ErrRedirect,
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			_, err := newClient(t, always(status, "application/problem+json", problem), once()).Webhooks().List(t.Context())
			require.ErrorIs(t, err, kind)
			var e *sonzaiapi.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, status, e.Status)
			require.Equal(t, "GET", e.Method)
			require.Equal(t, "/webhooks", e.Path)
			require.Equal(t, "about:blank", e.Type)
			require.Equal(t, "T", e.Title)
			require.Equal(t, "what happened", e.Detail)
			require.Equal(t, "/i", e.Instance)
			require.Equal(t, []sonzaiapi.ErrorDetail{{Location: "body.x", Message: "expected y"}}, e.Errors)
			require.Contains(t, err.Error(), "what happened: body.x: expected y")
			require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), "whsec_value")
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestAnAnswerThatIsNotTheJSONOfTheCallSaysWhatToDo(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		answer transport
		kinds  []error
		text   string
	}{
		"a web page": {
			always(200, "text/html; charset=utf-8", "<html>"), []error{sonzaiapi.ErrNotJSON},
			"sonzaiapi: GET /webhooks: 200 OK: the answer is not JSON: check the base URL (SONZAI_BASE_URL)"},
		"a web page that says not found": {
			always(404, "text/html", "<html>"), []error{sonzaiapi.ErrNotFound, sonzaiapi.ErrNotJSON},
			"sonzaiapi: GET /webhooks: 404 Not Found: the answer is not JSON: check the base URL (SONZAI_BASE_URL)"},
		"a proxy's page": {
			always(500, "text/html", "<html>"), []error{sonzaiapi.ErrUnavailable, sonzaiapi.ErrNotJSON}, "500"},
		"no type, a page":    {always(200, "", "<html>"), []error{sonzaiapi.ErrNotJSON}, "not JSON"},
		"JSON cut short":     {always(200, "application/json", `{"webhooks":[`), []error{sonzaiapi.ErrNotJSON}, "unexpected"},
		"JSON of other form": {always(200, "application/json", `[1]`), []error{sonzaiapi.ErrNotJSON}, "unexpected"},
		"too much": {
			always(200, "application/json", strings.Repeat(" ", 2000)), []error{sonzaiapi.ErrAnswerTooLarge},
			"more than 1000 bytes"},
		"a redirect": {
			always(302, "", "", "Location", "https://elsewhere.example/"), []error{sonzaiapi.ErrRedirect},
			"sonzaiapi: GET /webhooks: 302 Found: the platform does not redirect: check the base URL (SONZAI_BASE_URL)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, test.answer, once(), sonzaiapi.WithMaxAnswer(1000))
			_, err := client.Webhooks().List(t.Context())
			for _, kind := range test.kinds {
				require.ErrorIs(t, err, kind)
			}
			require.ErrorContains(t, err, test.text)
		})
	}
}

func TestARedirectDoesNotTakeTheKeyElsewhere(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the redirect was followed")
	}))
	defer elsewhere.Close()
	platform := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer platform.Close()
	client, err := sonzaiapi.New(testKey, sonzaiapi.WithBaseURL(platform.URL))
	require.NoError(t, err)
	_, err = client.Webhooks().List(t.Context())
	require.ErrorIs(t, err, sonzaiapi.ErrRedirect)
	_, err = client.Webhooks().RotateSecret(t.Context(), "agent.message")
	require.ErrorIs(t, err, sonzaiapi.ErrRedirect)
}

func TestNothingPrintsAKeyOrASecret(t *testing.T) {
	t.Parallel()
	echo := func(r *http.Request) (*http.Response, error) {
		return respond(401, "application/problem+json",
			fmt.Sprintf(`{"detail":"bad header %s\u001b[31m\nnext"}`, r.Header.Get("Authorization"))), nil
	}
	client := newClient(t, echo, once())
	_, err := client.Webhooks().List(t.Context())
	require.ErrorIs(t, err, sonzaiapi.ErrUnauthorized)
	require.Contains(t, err.Error(), "bad header Bearer [redacted] [31m next")

	repeats := newClient(t, always(422, "application/problem+json",
		`{"detail":"auth_header Bearer mine","errors":[{"location":"body","message":"not Bearer mine","value":"Bearer mine"}]}`))
	_, refused := repeats.Webhooks().Register(t.Context(), "x",
		sonzaiapi.Target{URL: "https://me.example", AuthHeader: "Bearer mine"})
	require.ErrorIs(t, refused, sonzaiapi.ErrInvalidRequest)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", refused, refused, refused), "Bearer mine")

	values := []any{
		client, *client, struct{ c *sonzaiapi.Client }{client}, struct{ c sonzaiapi.Client }{*client},
		client.Webhooks(), client.Project("p"), client.Agent("a"), err,
		sonzaiapi.Secret(testKey), sonzaiapi.Target{AuthHeader: testKey}, sonzaiapi.Webhook{AuthHeader: testKey},
		sonzaiapi.Attempt{RequestBody: []byte(testKey), ResponseBody: []byte(testKey)},
	}
	for _, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			printed := fmt.Sprintf(verb, value)
			require.NotContains(t, printed, testKey, "%T", value)
			require.NotContains(t, printed, fmt.Sprintf("%x", testKey), "%T", value)
			require.NotContains(t, printed, "platform.example", "%T", value)
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "value", value)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "value", value)
		require.NotContains(t, log.String(), testKey, "%T", value)
		require.NotContains(t, log.String(), "platform.example", "%T", value)
	}
	encoded, err := json.Marshal(sonzaiapi.Webhook{AuthHeader: testKey})
	require.NoError(t, err)
	require.NotContains(t, string(encoded), testKey)
	require.Empty(t, sonzaiapi.Secret("").String())
}

func TestAConnectionThatFailsNamesNoAddressAndKeepsItsCause(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection refused")
	client := newClient(t, func(*http.Request) (*http.Response, error) { return nil, broken }, once())
	_, err := client.Webhooks().List(t.Context())
	require.ErrorIs(t, err, sonzaiapi.ErrUnavailable)
	require.ErrorIs(t, err, broken)
	require.EqualError(t, err, "sonzaiapi: GET /webhooks: connection refused: "+
		"no answer: check the network and the base URL (SONZAI_BASE_URL)")
}

func TestAWrongCallIsNotSent(t *testing.T) {
	t.Parallel()
	client := newClient(t, func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return nil, errors.New("no")
	})
	ctx := t.Context()
	register := func(url string) error {
		_, err := client.Webhooks().Register(ctx, "agent.message", sonzaiapi.Target{URL: url})
		return err
	}
	calls := map[string]func() error{
		"an empty project":    func() error { _, err := client.Project("").Webhooks().List(ctx); return err },
		"a dot as event type": func() error { return client.Webhooks().Delete(ctx, ".") },
		"two dots as agent":   func() error { _, err := client.Agent("..").History(ctx, 0); return err },
		"an empty message":    func() error { return client.Agent("a").Consume(ctx, "") },
		"http":                func() error { return register("http://me.example/hook") },
		"http on loopback":    func() error { return register("http://127.0.0.1/hook") },
		"no host":             func() error { return register("https:///hook") },
		"no URL":              func() error { return register("") },
		"another scheme":      func() error { return register("ftp://me.example") },
		"limit":               func() error { _, err := client.Agent("a").History(ctx, 501); return err },
		"negative limit": func() error {
			_, err := client.Agent("a").Wakeups(ctx, sonzaiapi.WakeupQuery{Limit: -1})
			return err
		},
		"project limit": func() error {
			_, err := client.Project("p").Notifications(ctx, sonzaiapi.ProjectQuery{Limit: 201})
			return err
		},
		"page size": func() error {
			for _, err := range client.Webhooks().Attempts(ctx, "agent.message", 501) {
				return err
			}
			return nil
		},
		"a wakeup without a user": func() error {
			_, err := client.Agent("a").ScheduleWakeup(ctx, sonzaiapi.WakeupRequest{CheckType: "c", Intent: "i"})
			return err
		},
		"a wakeup in the past": func() error {
			_, err := client.Agent("a").ScheduleWakeup(ctx, sonzaiapi.WakeupRequest{
				UserID: "u", CheckType: "c", Intent: "i", DelayHours: -1})
			return err
		},
	}
	for name, call := range calls {
		require.ErrorIs(t, call(), sonzaiapi.ErrInvalidRequest, name)
	}
	require.EqualError(t, register("http://me.example/hook"), "sonzaiapi: PUT /webhooks/agent.message: "+
		"the webhook URL must start with https:// (http only between a simulator and a server on this machine)")
}

func TestIDsAreEscaped(t *testing.T) {
	t.Parallel()
	var paths []string
	client := newClient(t, func(r *http.Request) (*http.Response, error) {
		paths = append(paths, r.URL.EscapedPath())
		return respond(200, "application/json", `{"success":true}`), nil
	})
	require.NoError(t, client.Agent("a/b c?d#e%").Consume(t.Context(), "../x"))
	require.Equal(t, []string{"/api/v1/agents/a%2Fb%20c%3Fd%23e%25/notifications/..%2Fx/consume"}, paths)
}

func TestARefusalWithStatus200IsAnError(t *testing.T) {
	t.Parallel()
	client := newClient(t, always(200, "application/json", `{"success":false}`))
	_, err := client.Webhooks().Register(t.Context(), "x", sonzaiapi.Target{URL: "https://me.example"})
	require.ErrorIs(t, err, sonzaiapi.ErrRefused)
	require.ErrorIs(t, client.Agent("a").Consume(t.Context(), "m"), sonzaiapi.ErrRefused)
	_, err = newClient(t, always(200, "application/json", `{"success":true}`)).Webhooks().RotateSecret(t.Context(), "x")
	require.ErrorIs(t, err, sonzaiapi.ErrRefused)
}

func TestAnswersAreReadLeniently(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	attempts := newClient(t, always(200, "application/json", `{"has_more":true,"next_cursor":"","surprise":1,"attempts":[
		{"attempt_id":"a","request_body":"e30=","response_body":"ok==","created_at":null,"extra":{}},
		{"attempt_id":"b","request_body":"{\"plain\":1}","created_at":"soon","response_code":201}]}`))
	var found []sonzaiapi.Attempt
	for attempt, err := range attempts.Webhooks().Attempts(ctx, "x", 0) {
		require.NoError(t, err)
		found = append(found, attempt)
	}
	require.Len(t, found, 2)
	require.Equal(t, "{}", string(found[0].RequestBody))
	require.Equal(t, "ok==", string(found[0].ResponseBody))
	require.True(t, found[0].CreatedAt.IsZero())
	require.False(t, found[0].Delivered())
	require.Equal(t, `{"plain":1}`, string(found[1].RequestBody))
	require.Equal(t, "soon", found[1].CreatedAt.Text)
	require.True(t, found[1].CreatedAt.Time.IsZero())
	require.True(t, found[1].Delivered())

	guides := newClient(t, always(200, "application/json",
		`{"notifications":[{"id":"m1","type":"check_in","content":"Hi","created_at":"2026-01-02T03:04:05"}]}`))
	list, err := guides.Agent("a").Notifications(ctx, sonzaiapi.AgentQuery{})
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "m1", list[0].ID)
	require.Equal(t, "check_in", list[0].CheckType)
	require.Equal(t, "Hi", list[0].Message)
	require.Equal(t, "2026-01-02T03:04:05Z", list[0].CreatedAt.Format("2006-01-02T15:04:05Z07:00"))
	require.Contains(t, string(list[0].Raw), `"content":"Hi"`)

	untyped, err := newClient(t, always(200, "", `{"webhooks":null}`)).Webhooks().List(ctx)
	require.NoError(t, err)
	require.Empty(t, untyped)
}

func TestTimesAreReadInEveryFormSeen(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`"2026-05-01T10:00:00Z"`:           "2026-05-01T10:00:00Z",
		`"2026-05-01T10:00:00.123456789Z"`: "2026-05-01T10:00:00.123456789Z",
		`"2026-05-01T12:00:00+02:00"`:      "2026-05-01T10:00:00Z",
		`"2026-05-01 10:00:00"`:            "2026-05-01T10:00:00Z",
		`"2026-05-01"`:                     "2026-05-01T00:00:00Z",
		`1777629600`:                       "2026-05-01T10:00:00Z",
		`"1777629600000"`:                  "2026-05-01T10:00:00Z",
		`null`:                             "0001-01-01T00:00:00Z",
		`""`:                               "0001-01-01T00:00:00Z",
		`"tomorrow"`:                       "0001-01-01T00:00:00Z",
		`{}`:                               "0001-01-01T00:00:00Z",
	} {
		var at sonzaiapi.Time
		require.NoError(t, json.Unmarshal([]byte(text), &at), text)
		require.Equal(t, want, at.UTC().Format("2006-01-02T15:04:05.999999999Z07:00"), text)
	}
}
