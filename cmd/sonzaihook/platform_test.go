package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// testProject is a second project of the simulator.
const testProject = "proj_other"

// land is a simulated platform, and command lines that are pointed at it.
type land struct {
	*simulator.Simulator
	world
	url string
}

func newLand(t *testing.T, options ...simulator.Option) land {
	t.Helper()
	sim, err := simulator.New(append([]simulator.Option{
		simulator.WithProjects(simulator.DefaultProject, testProject),
		simulator.WithAttempts(2, 10*time.Millisecond, time.Second),
	}, options...)...)
	require.NoError(t, err)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	t.Cleanup(sim.Close)
	return land{sim, pointed(server.URL + simulator.BasePath), server.URL}
}

// pointed is a world whose commands call the platform at this address.
func pointed(base string) world {
	return world{environ: []string{
		sonzaiapi.EnvAPIKey + "=" + simulator.DefaultAPIKey, sonzaiapi.EnvBaseURL + "=" + base,
	}}
}

// happens lets an event happen and waits until it is delivered, or given up.
func (l land) happens(t *testing.T, event simulator.Event) {
	t.Helper()
	_, err := l.Emit(t.Context(), event)
	require.NoError(t, err)
	require.NoError(t, l.Wait(t.Context()))
}

// fine runs a command line that must succeed and say nothing beside its output.
func (w world) fine(t *testing.T, args ...string) string {
	t.Helper()
	got := w.do(t, args...)
	require.Equal(t, console.ExitYes, got.code, "%v: %s", args, got.errOut)
	require.Empty(t, got.errOut, args)
	return got.out
}

// objects decodes lines of JSON.
func objects(t *testing.T, out string) []map[string]any {
	t.Helper()
	var list []map[string]any
	for line := range strings.Lines(out) {
		var object map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &object), line)
		list = append(list, object)
	}
	return list
}

func TestAPlatformThatRefusesIsOneLineThatSaysWhatToDo(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>Welcome</title>"))
	}))
	t.Cleanup(web.Close)
	redirecting := httptest.NewServer(http.RedirectHandler("https://example.com/login", http.StatusFound))
	t.Cleanup(redirecting.Close)
	for _, test := range []struct {
		name string
		code int
		args string
		line string
	}{
		{"wrong key", console.ExitNo, "webhooks list --api-key sk_topsecret", "GET /webhooks: 401 Unauthorized: the API key is missing or wrong: check the API key (SONZAI_API_KEY)"},
		{"unknown project", console.ExitNo, "webhooks list --project proj_nope", "GET /projects/proj_nope/webhooks: 404 Not Found: there is no such project: check the project id"},
		{"project to poll", console.ExitNo, "notifications poll --project proj_nope", "there is no such project: check the project id"},
		{"not HTTPS", console.ExitTrouble, "webhooks register message --url http://example.com/hooks", "the webhook URL must start with https://"},
		{"a web page", console.ExitNo, "webhooks list --base-url " + web.URL, "the answer is not JSON: check the base URL (SONZAI_BASE_URL)"},
		{"a web page to poll", console.ExitNo, "notifications poll --agent a --base-url " + web.URL, "the answer is not JSON: check the base URL (SONZAI_BASE_URL)"},
		{"a redirect", console.ExitNo, "wakeups list --agent a --base-url " + redirecting.URL, "the platform does not redirect: check the base URL"},
		{"another path", console.ExitNo, "webhooks list --base-url " + l.url + "/v2", "the API lives below /api/v1: check the base URL (SONZAI_BASE_URL)"},
		{"unreachable", console.ExitNo, "webhooks rotate message --base-url " + nowhere, "connection refused: no answer: check the network and the base URL (SONZAI_BASE_URL); the platform may have carried out the call all the same"},
		{"no registration to delete", console.ExitNo, "webhooks delete message", `there is no webhook for "agent.message": "sonzaihook webhooks list" shows what is registered`},
		{"no registration to rotate", console.ExitNo, "webhooks rotate lead.enriched", `there is no webhook for "lead.enriched": "sonzaihook webhooks list" shows what is registered`},
		{"no such message", console.ExitNo, "notifications consume --agent a msg_nope", "404 Not Found: the agent has no such notification"},
		{"no such notification", console.ExitNo, "notifications consume --project proj_other evt_nope", `1 of 1 are not among what waits: "notifications list --project proj_other" shows it`},
		{"base URL of another machine", console.ExitTrouble, "webhooks list --base-url http://example.com", "--base-url or SONZAI_BASE_URL: the base URL must be https"},
		{"key with a space", console.ExitTrouble, "webhooks list --api-key=@" + writeFile(t, "top secret"), "--api-key or SONZAI_API_KEY: it has characters that no key has"},
		{"key file not found", console.ExitTrouble, "webhooks list --api-key @/does/not/exist", "--api-key: open /does/not/exist: no such file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := l.do(t, strings.Fields(test.args)...)
			require.Equal(t, test.code, got.code, got.errOut)
			require.Empty(t, got.out)
			require.Contains(t, got.errOut, test.line)
			require.Equal(t, 1, strings.Count(got.errOut, "\n"), "one line")
			require.True(t, strings.HasPrefix(got.errOut, "sonzaihook: "), got.errOut)
			for _, private := range []string{"sonzaiapi: ", "topsecret", "top secret", simulator.DefaultAPIKey} {
				require.NotContains(t, got.errOut, private)
			}
		})
	}
}

func TestWrongUsageIsToldBeforeThePlatformIsAsked(t *testing.T) {
	t.Parallel()
	asked := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the platform was asked") }))
	t.Cleanup(asked.Close)
	for args, line := range map[string]string{
		"webhooks regster":                                                 `unknown command "regster" for "sonzaihook webhooks": want attempts, delete, list, register, rotate`,
		"webhooks register --url https://a.example":                        "which event types? Name them, as in agent.message, or give --all",
		"webhooks register message --all --url https://a.example":          "give event types or --all, not both",
		"webhooks register message":                                        `required flag(s) "url" not set`,
		"webhooks register --all --url https://a.example --secret-file x":  "so the name needs {event}",
		"webhooks rotate message --secret-file /does/not/exist":            "--secret-file: cannot write to /does/not/exist: no such file or directory",
		"webhooks rotate message --secret-file /":                          "--secret-file: / is not a file",
		"webhooks delete":                                                  "which event types?",
		"webhooks attempts":                                                "which event type? Name one, as in agent.message",
		"webhooks attempts message --bodies":                               "--bodies needs --json",
		"webhooks attempts message --limit -1":                             "--limit: it must not be negative",
		"webhooks attempts message --since then":                           `--since: time "then": want RFC 3339`,
		"notifications list":                                               "whose notifications? Give --agent or --project",
		"notifications list --agent a --type message":                      "--type needs --project",
		"notifications list --project p --user u":                          "--user and --status are for the messages of an agent",
		"notifications list --agent a --limit 501":                         "limit must be 1 to 500",
		"notifications history":                                            `required flag(s) "agent" not set`,
		"notifications consume --agent a":                                  "which notifications? Give their ids",
		"notifications consume --agent a --all":                            "--all needs --project and takes no ids",
		"notifications consume --project p --type message evt_1":           "with ids they have no effect",
		"notifications poll --project p --agent a":                         "give --agent or --project, not both",
		"wakeups schedule --agent a --user u --intent i --at -1h":          "--at: the time is past",
		"wakeups schedule --agent a --user u --intent i --at soon":         `--at: time "soon": want RFC 3339`,
		"wakeups schedule --agent a":                                       `required flag(s) "at", "intent", "user" not set`,
		"replay":                                                           "no secret: set SONZAI_WEBHOOK_SECRET or give --secret @file",
		"replay --url localhost:8080":                                      "--url: want an absolute http or https URL",
		"listen --base-url https://api.example":                            "--url is needed: the https address under which the platform reaches localhost:8080",
		"listen --addr nowhere:0 --url https://a.example":                  "choose another address",
		"simulate --addr 127.0.0.1:0 --speed 0":                            "WithSpeed must be positive",
		"simulate --addr 127.0.0.1:0 --every -1s":                          "--every: it must not be negative",
		"simulate --addr 127.0.0.1:0 --delivery-fault slow":                `--delivery-fault slow: "slow" is not one of delay, drop, drop-answer, duplicates, hold-back, times, type`,
		"simulate --addr 127.0.0.1:0 --delivery-fault delay=fast":          "delay: want a duration, as in 200ms",
		"simulate --addr 127.0.0.1:0 --delivery-fault drop=1":              "drop: takes no value",
		"simulate --addr 127.0.0.1:0 --delivery-fault times=3":             "nothing of it goes wrong",
		"simulate --addr 127.0.0.1:0 --call-fault html,times=0":            "times: want a positive number",
		"simulate --addr 127.0.0.1:0 --call-fault html,call=GET":           `there is no call "GET"`,
		"simulate --addr 127.0.0.1:0 --call-fault status=200":              "its status is not 300 to 599",
		"simulate --addr 127.0.0.1:0 --layout round":                       "WithLayout needs a layout",
		"simulate --addr " + strings.TrimPrefix(asked.URL, "http://") + "": "address already in use: choose another address",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			got := pointed(asked.URL).do(t, strings.Fields(args)...)
			require.Equal(t, console.ExitTrouble, got.code, got.errOut)
			require.Contains(t, got.errOut, line)
			require.Equal(t, 1, strings.Count(got.errOut, "\n"), "one line")
		})
	}
}

func TestAnAPIKeyIsNeeded(t *testing.T) {
	t.Parallel()
	got := world{}.do(t, "webhooks", "list")
	require.Equal(t, result{console.ExitTrouble, "", "sonzaihook: no API key: set SONZAI_API_KEY or give --api-key @file\n"}, got)

	l := newLand(t)
	key := writeFile(t, simulator.DefaultAPIKey+"\n")
	bare := world{}
	require.Contains(t, bare.fine(t, "webhooks", "list", "--api-key", "@"+key, "--base-url", l.url+simulator.BasePath), "no webhooks")
}
