package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

var secretForm = regexp.MustCompile(`whsec_[0-9a-f]{64}`)

func TestANewSecretIsPrintedOnce(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	register := []string{"webhooks", "register", "message", "--url", "https://a.example/hooks"}

	out := l.fine(t, register...)
	require.Equal(t, "✓ agent.message  https://a.example/hooks\n  S\n  the signing secret, shown this once: keep it now\n",
		secretForm.ReplaceAllString(out, "S"))
	first := secretForm.FindString(out)

	require.Equal(t, "✓ agent.message  https://a.example/hooks\n"+
		"  was registered before: its URL is set, its secret stays; \"webhooks rotate\" asks for a new one\n", l.fine(t, register...))

	out = l.fine(t, "webhooks", "rotate", "agent.message")
	require.Equal(t, "✓ agent.message  has a new secret; the old one signs nothing any more\n  S\n"+
		"  the signing secret, shown this once: keep it now\n", secretForm.ReplaceAllString(out, "S"))
	require.NotEqual(t, first, secretForm.FindString(out))

	for _, args := range []string{"webhooks list", "webhooks list --json", "webhooks attempts message", "webhooks delete message"} {
		require.NotContains(t, l.fine(t, strings.Fields(args)...), "whsec_", args)
	}
}

func TestANewSecretGoesToAFileThatOnlyItsOwnerReads(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	folder := t.TempDir()
	files := filepath.Join(folder, eventPlace)

	out := l.fine(t, "webhooks", "register", "--all", "--url", "https://a.example/{event}", "--secret-file", files)
	require.NotContains(t, out, "whsec_")
	require.Contains(t, out, "✓ agent.wakeup  https://a.example/agent.wakeup\n  its secret is in "+filepath.Join(folder, "agent.wakeup")+"\n")
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, entries, len(knownNames()), "and nothing else is left there")
	before := map[string]string{}
	for _, entry := range entries {
		info, err := entry.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		require.NoError(t, err)
		require.Regexp(t, `^`+secretForm.String()+`\n$`, string(content))
		before[entry.Name()] = string(content)
	}

	l.fine(t, "webhooks", "register", "wakeup", "--url", "https://b.example", "--secret-file", files)
	object := objects(t, l.fine(t, "webhooks", "rotate", "message", "--secret-file", files, "--json"))[0]
	require.Equal(t, map[string]any{"event_type": "agent.message", "secret_file": filepath.Join(folder, "agent.message")}, object)
	for name, old := range before {
		content, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		require.Equal(t, name != "agent.message", string(content) == old, "%s: only the rotated secret changes", name)
	}
}

func TestASecretThatCannotBeWrittenIsNotLost(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "secrets")
	require.NoError(t, os.Mkdir(folder, 0o700))
	given, err := secretFiles{pattern: filepath.Join(folder, "s")}.receive("agent.message", func() (sonzaiapi.Secret, error) {
		return "whsec_new", os.RemoveAll(folder) // gone by the time of the answer
	})
	require.NoError(t, err)
	require.Equal(t, secretGiven{Secret: "whsec_new"}, given)
}

func TestAFailedCallLeavesTheSecretFileAsItWas(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	file := writeFile(t, "whsec_before\n")
	require.Equal(t, console.ExitNo, l.do(t, "webhooks", "rotate", "message", "--secret-file", file).code)
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "whsec_before\n", string(content))
	entries, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestWebhooksAreListedAndDeleted(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	auth := writeFile(t, "Bearer topsecret\n")
	l.fine(t, "webhooks", "register", "message", "lead.enriched", "--url", "https://a.example", "--auth-header", "@"+auth)
	l.fine(t, "webhooks", "register", "wakeup", "--url", "https://b.example", "--project", testProject)

	require.Equal(t, []string{
		"TYPE ACTIVE AUTH UPDATED URL",
		"agent.message yes set now https://a.example",
		"lead.enriched yes set now https://a.example",
	}, tableLines(l.fine(t, "webhooks", "list")))
	list := objects(t, l.fine(t, "webhooks", "list", "--json"))
	require.Len(t, list, 2)
	require.Equal(t, "https://a.example", list[0]["webhook_url"])
	require.Equal(t, "[redacted]", list[0]["auth_header"])
	require.Equal(t, "agent.wakeup yes none now https://b.example", tableLines(l.fine(t, "webhooks", "list", "--project", testProject))[1])

	require.Equal(t, "✓ agent.message  deleted\n✓ lead.enriched  deleted\n", l.fine(t, "webhooks", "delete", "--all"))
	require.Equal(t, "no webhooks are registered\n", l.fine(t, "webhooks", "delete", "--all"))
	require.Equal(t, []map[string]any{{"event_type": "agent.wakeup", "deleted": true}},
		objects(t, l.fine(t, "webhooks", "delete", "wakeup", "--project", testProject, "--json")))
	require.Empty(t, l.fine(t, "webhooks", "list", "--json"))
}

func TestWhatWasDoneBeforeAFailureIsSaid(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	l.fine(t, "webhooks", "register", "message", "--url", "https://a.example")
	got := l.do(t, "webhooks", "delete", "message", "wakeup")
	require.Equal(t, console.ExitNo, got.code)
	require.Equal(t, "✓ agent.message  deleted\n", got.out)
	require.Contains(t, got.errOut, `no webhook for "agent.wakeup"`)
	require.Contains(t, got.errOut, "(agent.message deleted before that)\n")
}

func TestAttemptsShowWhatAReceiverAnswered(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	server := httptest.NewServer(hooks(t))
	t.Cleanup(server.Close)
	l.fine(t, "webhooks", "register", "message", "--url", server.URL)
	l.happens(t, simulator.Event{Type: "agent.message", AgentID: "agent_1", Data: map[string]string{"content": "hello"}})
	require.NoError(t, l.MisbehaveDeliveries(simulator.DeliveryFault{Drop: true}))
	l.happens(t, simulator.Event{Type: "agent.message", AgentID: "agent_1"})

	rows := tableLines(l.fine(t, "webhooks", "attempts", "message"))
	require.Equal(t, "WHEN EVENT TRY STATUS ANSWER TIME ERROR", rows[0])
	require.Len(t, rows, 4)
	require.Regexp(t, `^now evt_\w+ 2 none unanswered \d+ ms the delivery was lost on its way$`, rows[1])
	require.Regexp(t, `^now evt_\w+ 1 401 unauthorized \d+ ms$`, rows[3])

	require.Len(t, tableLines(l.fine(t, "webhooks", "attempts", "message", "--limit", "1")), 2)
	require.Equal(t, "no such attempts\n", l.fine(t, "webhooks", "attempts", "message", "--since", "2100-01-01T00:00:00Z"))
	require.Equal(t, "no such attempts\n", l.fine(t, "webhooks", "attempts", "lead.enriched"))
	require.Len(t, objects(t, l.fine(t, "webhooks", "attempts", "message", "--failed", "--json")), 3)

	bare := objects(t, l.fine(t, "webhooks", "attempts", "message", "--json"))[2]
	require.Equal(t, "unauthorized", bare["answer"])
	require.NotContains(t, bare, "request_body")
	whole := objects(t, l.fine(t, "webhooks", "attempts", "message", "--json", "--bodies"))[2]
	require.Equal(t, map[string]any{"content": "hello"}, whole["request_body"].(map[string]any)["data"])
	require.Equal(t, "unauthorized", whole["response_body"].(map[string]any)["code"])
}

// hooks is a receiver that knows no secret of the platform.
func hooks(t *testing.T) *sonzaihook.Receiver {
	t.Helper()
	return recorder.New(t, nil).Receiver
}

// tableLines returns the lines of a table with single spaces, without the rule.
func tableLines(out string) []string {
	var lines []string
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "─") {
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
	}
	return lines
}

func TestTimesAreWrittenForPeople(t *testing.T) {
	t.Parallel()
	p := platform{console: &console.Console{Now: func() time.Time { return testNow }}}
	for text, want := range map[string]string{
		testNow.Format(time.RFC3339):                        "now",
		testNow.Add(-59 * time.Second).Format(time.RFC3339): "59 seconds ago",
		testNow.Add(-90 * time.Second).Format(time.RFC3339): "1 minute ago",
		testNow.Add(-23 * time.Hour).Format(time.RFC3339):   "23 hours ago",
		testNow.Add(-72 * time.Hour).Format(time.RFC3339):   "3 days ago",
		"2024-02-29T08:00:00Z":                              "2024-02-29 08:00Z",
		"2100-01-01T00:00:00Z":                              "2100-01-01 00:00Z",
		"last\x1b[2J week":                                  "last [2J week",
		"":                                                  "",
	} {
		var at sonzaiapi.Time
		require.NoError(t, at.UnmarshalText([]byte(text)))
		require.Equal(t, want, console.Clean(p.ago(at)), text)
	}
}
