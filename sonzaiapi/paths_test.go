package sonzaiapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// asking returns a transport that notes the address of the last request.
func asking(address *string) transport {
	return func(r *http.Request) (*http.Response, error) {
		*address = r.URL.Scheme + "://" + r.URL.Host + r.URL.EscapedPath()
		return respond(200, "application/json", `{"success":true,"signing_secret":"whsec_x"}`), nil
	}
}

var baseURLs = map[string]struct{ base, want string }{
	"the bare host":              {"https://p.example", "https://p.example/api/v1/webhooks"},
	"the bare host and a slash":  {"https://p.example/", "https://p.example/api/v1/webhooks"},
	"slashes alone":              {"https://p.example///", "https://p.example/api/v1/webhooks"},
	"a host with a port":         {"http://127.0.0.1:9090", "http://127.0.0.1:9090/api/v1/webhooks"},
	"space at the ends":          {" https://p.example\n", "https://p.example/api/v1/webhooks"},
	"the path of the API":        {"https://p.example/api/v1", "https://p.example/api/v1/webhooks"},
	"the path of the API, slash": {"https://p.example/api/v1/", "https://p.example/api/v1/webhooks"},
	"another version":            {"https://p.example/api/v2", "https://p.example/api/v2/webhooks"},
	"a proxy's path":             {"https://proxy.example/sonzai", "https://proxy.example/sonzai/webhooks"},
	"an escaped path":            {"https://proxy.example/a%2Fb", "https://proxy.example/a%2Fb/webhooks"},
}

func TestABaseURLWithoutAPathMeansTheAPIBelowIt(t *testing.T) {
	t.Parallel()
	for name, test := range baseURLs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got string
			client := newClient(t, asking(&got), sonzaiapi.WithBaseURL(test.base))
			_, err := client.Webhooks().List(t.Context())
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

func TestABaseURLOfTheEnvironmentMeansTheSame(t *testing.T) {
	for name, test := range baseURLs {
		t.Setenv(sonzaiapi.EnvBaseURL, test.base)
		var got string
		client, err := sonzaiapi.New(testKey, sonzaiapi.WithHTTPClient(&http.Client{Transport: asking(&got)}))
		require.NoError(t, err, name)
		_, err = client.Webhooks().List(t.Context())
		require.NoError(t, err, name)
		require.Equal(t, test.want, got, name)
	}
}

// callsWith makes every call that takes an id or an event type with this one.
func callsWith(ctx context.Context, c *sonzaiapi.Client, id string) map[string]func() error {
	calls := map[string]func() error{
		"Project.Notifications": func() error {
			_, err := c.Project(id).Notifications(ctx, sonzaiapi.ProjectQuery{})
			return err
		},
		"Project.Acknowledge":    func() error { _, err := c.Project(id).Acknowledge(ctx, "n"); return err },
		"Project.AcknowledgeAll": func() error { _, err := c.Project(id).AcknowledgeAll(ctx, "", ""); return err },
		"Agent.Notifications": func() error {
			_, err := c.Agent(id).Notifications(ctx, sonzaiapi.AgentQuery{})
			return err
		},
		"Agent.History":    func() error { _, err := c.Agent(id).History(ctx, 0); return err },
		"Agent.Wakeups":    func() error { _, err := c.Agent(id).Wakeups(ctx, sonzaiapi.WakeupQuery{}); return err },
		"Agent.Consume":    func() error { return c.Agent("a").Consume(ctx, id) },
		"Agent.Consume of": func() error { return c.Agent(id).Consume(ctx, "m") },
		"Agent.ScheduleWakeup": func() error {
			_, err := c.Agent(id).ScheduleWakeup(ctx, sonzaiapi.WakeupRequest{UserID: "u", CheckType: "c", Intent: "i"})
			return err
		},
	}
	for where, w := range map[string]sonzaiapi.Webhooks{"Webhooks": c.Webhooks(), "Project.Webhooks": c.Project("p").Webhooks()} {
		calls[where+".Register"] = func() error {
			_, err := w.Register(ctx, id, sonzaiapi.Target{URL: "https://me.example"})
			return err
		}
		calls[where+".Delete"] = func() error { return w.Delete(ctx, id) }
		calls[where+".RotateSecret"] = func() error { _, err := w.RotateSecret(ctx, id); return err }
		calls[where+".Attempts"] = func() error {
			for _, err := range w.Attempts(ctx, id, 0) {
				return err
			}
			return nil
		}
	}
	calls["Project.Webhooks.List"] = func() error { _, err := c.Project(id).Webhooks().List(ctx); return err }
	return calls
}

func TestNoIDOrEventTypeClimbsOutOfItsPath(t *testing.T) {
	t.Parallel()
	unsent := newClient(t, func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return nil, errors.New("no")
	})
	for _, id := range []string{"", ".", ".."} {
		for name, call := range callsWith(t.Context(), unsent, id) {
			require.ErrorIs(t, call(), sonzaiapi.ErrInvalidRequest, "%s of %q", name, id)
		}
	}
	var got string
	client := newClient(t, asking(&got))
	for _, id := range []string{
		"a/b", "../webhooks", "..%2f", "%2e%2e", "a?b=c", "a#b", `..\x`, "a;b", "...", "ä b", "a\u202eb", "x\ny", "a%",
	} {
		for name, call := range callsWith(t.Context(), client, id) {
			require.NoError(t, call(), "%s of %q", name, id)
			address, err := url.Parse(got)
			require.NoError(t, err, "%s of %q", name, id)
			require.Equal(t, path.Clean(address.EscapedPath()), address.EscapedPath(), "%s of %q", name, id)
			segments := strings.Split(strings.TrimPrefix(address.EscapedPath(), "/api/v1/"), "/")
			require.Contains(t, segments, url.PathEscape(id), "%s of %q", name, id)
		}
	}
}

func TestTextOfThePlatformIsSafeToPrint(t *testing.T) {
	t.Parallel()
	for name, hostile := range map[string]string{
		"an escape sequence":           `\u001b[2J`,
		"lines":                        `a\r\nb`,
		"a C1 control":                 `\u009b2J`,
		"the direction of writing":     `abc\u202egnp.exe`,
		"an isolate":                   `\u2066abc\u2069`,
		"a character without width":    `a\u200bb`,
		"a byte order mark":            `\ufeffa`,
		"a separator of lines":         `a\u2028b\u2029c`,
		"a soft hyphen":                `a\u00adb`,
		"a tag character":              `\udb40\udc41`,
		"half of a surrogate":          `\ud83d`,
		"more than anyone would read":  strings.Repeat("x", 100_000),
		"more than that in characters": strings.Repeat("ä", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			document := strings.ReplaceAll(`{"type":"T","title":"T","detail":"T","instance":"T",
				"errors":[{"location":"T","message":"T"}]}`, "T", hostile)
			client := newClient(t, always(422, "application/problem+json", document), once())
			_, err := client.Webhooks().List(t.Context())
			require.ErrorIs(t, err, sonzaiapi.ErrInvalidRequest)
			e, ok := errors.AsType[*sonzaiapi.Error](err)
			require.True(t, ok)
			for _, text := range []string{
				err.Error(), e.Type, e.Title, e.Detail, e.Instance, e.Errors[0].Location, e.Errors[0].Message,
			} {
				requirePrintable(t, text)
			}
		})
	}
}

func requirePrintable(t *testing.T, text string) {
	t.Helper()
	require.LessOrEqual(t, len(text), 2100)
	for _, r := range text {
		require.False(t, r < ' ' || r == '\u202e' || r >= 0x7f && r < 0xa0, "%q", text)
		require.NotContains(t, "\u2066\u2069\u200b\ufeff\u2028\u2029\u00ad\U000e0041", string(r), "%q", text)
	}
}

func FuzzErrorTextIsOneSafeLine(f *testing.F) {
	f.Add([]byte("detail"))
	f.Add([]byte("\x1b[31m\u202e\xff\u2028"))
	f.Fuzz(func(t *testing.T, foreign []byte) {
		client := newClient(t, func(*http.Request) (*http.Response, error) { return nil, errors.New(string(foreign)) }, once())
		_, err := client.Webhooks().List(t.Context())
		requirePrintable(t, err.Error())
	})
}

func TestWebhooksSayWhoseRegistrationsTheyAre(t *testing.T) {
	t.Parallel()
	client := newClient(t, always(200, "application/json", `{}`))
	require.Empty(t, client.Webhooks().ProjectID())
	require.Equal(t, "p1", client.Project("p1").Webhooks().ProjectID())
	require.Equal(t, "p1", client.Project("p1").ID())
	require.Empty(t, sonzaiapi.Webhooks{}.ProjectID())
}
