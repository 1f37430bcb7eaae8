package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
)

// hostile is what a platform may send to drive the terminal that shows it.
const hostile = "a\x1b]0;title\x07\u202egnp\u200b\u2066\ufeff\u0085\u009b31m\U000e0041"

// hostilePlatform answers every call with hostile texts, or refuses it with them.
func hostilePlatform(t *testing.T, refuse bool) world {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		body, _ := json.Marshal(map[string]any{"event_id": hostile, "event_type": hostile, "data": map[string]string{"content": hostile}})
		thing := map[string]any{}
		for _, field := range []string{
			"event_type", "webhook_url", "attempt_id", "error_message", "message_id", "notification_id", "user_id", "agent_id",
			"status", "generated_message", "wakeup_id", "check_type", "intent", "created_at", "updated_at", "scheduled_at",
		} {
			thing[field] = hostile
		}
		thing["request_body"], thing["response_body"], thing["payload"] = body, `{"code":"`+hostile+`"}`, json.RawMessage(body)
		answer := map[string]any{
			"webhooks": []any{thing}, "attempts": []any{thing}, "notifications": []any{thing}, "wakeups": []any{thing},
			"signing_secret": "whsec_x" + hostile, "wakeup_id": hostile, "scheduled_at": hostile, "success": true,
		}
		w.Header().Set("Content-Type", "application/json")
		if refuse {
			answer = map[string]any{"title": hostile, "detail": hostile, "errors": []any{map[string]string{"location": hostile, "message": hostile}}}
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	return pointed(server.URL + "/api/v1")
}

func TestNothingOfThePlatformDrivesTheTerminal(t *testing.T) {
	t.Parallel()
	for _, refuse := range []bool{false, true} {
		w := hostilePlatform(t, refuse)
		for _, args := range []string{
			"webhooks list", "webhooks attempts message", "webhooks attempts show " + hostile + " --bodies", "webhooks register message --url https://a.example",
			"webhooks register --all --url https://a.example", "webhooks rotate message", "webhooks delete --all",
			"notifications list --agent a", "notifications list --project p", "notifications history --agent a",
			"wakeups list --agent a", "wakeups schedule --agent a --user u --intent i --at 1h", "replay --dry-run",
			"replay --secret whsec_s --url http://127.0.0.1:1", "replay --event " + hostile + " --dry-run",
		} {
			for _, mode := range []string{"", " --json"} {
				if mode != "" && strings.HasPrefix(args, "webhooks attempts message") {
					mode += " --bodies"
				}
				t.Run(fmt.Sprintf("%q refused=%v", args+mode, refuse), func(t *testing.T) {
					t.Parallel()
					got := w.do(t, strings.Split(args+mode, " ")...)
					require.NotEmpty(t, got.out+got.errOut)
					require.Contains(t, got.out+got.errOut, "a", "it says something")
					for _, r := range strings.ReplaceAll(got.out+got.errOut, "\n", "") {
						require.False(t, unicode.IsControl(r) || unicode.Is(unicode.Cf, r), "%U in %q", r, got.out+got.errOut)
					}
				})
			}
		}
	}
}

func TestNothingOfAnEventDrivesTheTerminal(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	r := l.start(t, "listen", "--addr", "127.0.0.1:0")
	r.says(t, &r.errOut, "interrupt to unsubscribe")
	event := saying("1", hostile)
	event.ProjectID, event.AgentID = "", hostile
	l.happens(t, event)
	r.says(t, &r.out, "“a")
	require.Equal(t, console.ExitYes, r.end(t))
	require.Contains(t, r.out.String(), `\u202egnp\u200b\u2066\ufeff`)
	for _, c := range strings.ReplaceAll(r.out.String(), "\n", "") {
		require.False(t, unicode.IsControl(c) || unicode.Is(unicode.Cf, c), "%U", c)
	}
}

func TestJSONTellsOfFailuresToo(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"webhooks list --json --api-key wrong", console.ExitNo, "GET /webhooks: 401 Unauthorized"},
		{"webhooks rotate message --json", console.ExitNo, "there is no webhook"},
		{"webhooks list --json --fast", console.ExitTrouble, "unknown flag: --fast"},
		{"webhooks list --fast --json", console.ExitTrouble, "unknown flag: --fast"},
		{"send message --json --url " + nowhere + " --secret " + testSecret, console.ExitNo, "no answer from " + nowhere},
		{"nothing --json", console.ExitTrouble, `unknown command "nothing"`},
		{"verify --json", console.ExitTrouble, `required flag(s) "signature" not set`},
		{"listen --json --base-url https://api.example", console.ExitTrouble, "--url is needed"},
	} {
		t.Run(test.args, func(t *testing.T) {
			t.Parallel()
			got := l.do(t, strings.Fields(test.args)...)
			require.Equal(t, test.code, got.code)
			list := objects(t, got.out)
			require.Len(t, list, 1, "one object")
			require.Contains(t, list[0]["error"], test.want)
			require.InDelta(t, test.code, list[0]["exit_code"], 0)
			require.Equal(t, "sonzaihook: "+list[0]["error"].(string)+"\n", got.errOut)
			require.NotContains(t, got.out, testSecret)
		})
	}
	require.Empty(t, l.do(t, "webhooks", "rotate", "message").out, "without --json it is for people alone")
}

func TestShellsCompleteTypesLayoutsAndFaults(t *testing.T) {
	t.Parallel()
	for args, want := range map[string][]string{
		"send \x00":                            {"agent.message", "on_wakeup_ready", ":4"},
		"webhooks register agent.message \x00": {"agent.wakeup", "memory.created", ":4"},
		"webhooks attempts \x00":               {"agent.message", "show", ":4"},
		"listen --type \x00":                   {"agent.message", "on_mood_updated", ":4"},
		"notifications list --type \x00":       {"agent.message", ":4"},
		"replay \x00":                          {"agent.message", ":4"},
		"simulate --layout \x00":               {"data\t", "flat\t", "bare\t", ":4"},
		"simulate --delivery-fault \x00":       {"drop-answer\n", "times=\n", "hold-back\n", ":6"},
		"simulate --delivery-fault drop,":      {"drop,times=\n", ":6"},
		"simulate --delivery-fault type=":      {"type=agent.message\n", ":6"},
		"simulate --call-fault \x00":           {"html\n", "call=\n", ":6"},
		"simulate --call-fault html,call=":     {"html,call=GET /webhooks\n", ":6"},
	} {
		parts := append([]string{"__complete"}, strings.Split(strings.ReplaceAll(args, "\x00", ""), " ")...)
		got := world{}.do(t, parts...)
		require.Equal(t, console.ExitYes, got.code)
		for _, text := range want {
			require.Contains(t, got.out, text, args)
		}
	}
	require.NotContains(t, world{}.do(t, "__complete", "webhooks", "register", "agent.message", "").out, "agent.message", "each once")
}

func TestRegisterAllReportsANameThatThePlatformRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		refused func(name string) bool
		code    int
		line    string
	}{
		{"other names", func(name string) bool { return !strings.HasPrefix(name, "agent.") }, console.ExitYes, ""},
		{"documented names", func(name string) bool { return name == "agent.wakeup" }, console.ExitYes, ""},
		{"every name of a type", func(name string) bool { return strings.Contains(name, "wakeup") }, console.ExitNo, "refused every name of 1 of the types: [agent.wakeup]"},
		{"all", func(string) bool { return true }, console.ExitNo, "refused every name of 6 of the types"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var asked, refused []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
				asked = append(asked, name)
				w.Header().Set("Content-Type", "application/json")
				if test.refused(name) {
					refused = append(refused, name)
					w.WriteHeader(http.StatusUnprocessableEntity)
					_, _ = fmt.Fprint(w, `{"detail":"unknown event type"}`)
					return
				}
				_, _ = fmt.Fprint(w, `{"success":true,"signing_secret":"whsec_s"}`)
			}))
			t.Cleanup(server.Close)
			got := pointed(server.URL+"/api/v1").do(t, "webhooks", "register", "--all", "--url", "https://a.example/{event}")
			require.Equal(t, test.code, got.code, got.errOut)
			require.Contains(t, got.errOut, test.line)
			require.Equal(t, knownNames(), asked, "every known name, as it is")
			for _, name := range refused {
				require.Contains(t, got.out, "! "+name+"  is not registered\n")
			}
			require.Equal(t, len(asked)-len(refused), strings.Count(got.out, "✓ "))
		})
	}
}

func TestRegisterAllEndsAtWhatAnyNameWouldRunInto(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	for _, args := range []string{"--api-key wrong", "--project proj_nope"} {
		got := l.do(t, strings.Fields("webhooks register --all --url https://a.example "+args)...)
		require.Equal(t, console.ExitNo, got.code)
		require.Empty(t, got.out)
	}
}

func TestRotateAllTakesWhatIsRegistered(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	got := l.do(t, "webhooks", "rotate", "--all")
	require.Equal(t, console.ExitNo, got.code)
	require.Contains(t, got.errOut, "no documented type is registered")
	l.fine(t, "webhooks", "register", "on_wakeup_ready", "message", "lead.enriched", "--url", "https://a.example")
	out := l.fine(t, "webhooks", "rotate", "--all")
	require.Contains(t, out, "✓ on_wakeup_ready  has a new secret")
	require.Contains(t, out, "✓ agent.message  has a new secret")
	require.NotContains(t, out, "lead.enriched")
}
