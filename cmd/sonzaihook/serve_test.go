package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook/internal/recorder"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// running is a command that runs until it is interrupted.
type running struct {
	out, errOut recorder.Log
	interrupt   context.CancelFunc
	code        chan int
}

func (w world) start(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	r := &running{interrupt: interrupt, code: make(chan int, 1)}
	a := &console.Console{In: strings.NewReader(""), Out: &r.out, ErrOut: &r.errOut, Environ: w.environ, Now: time.Now}
	go func() { r.code <- run(ctx, a, args) }()
	t.Cleanup(interrupt)
	return r
}

// says waits until the output has the text.
func (r *running) says(t *testing.T, out *recorder.Log, text string) {
	t.Helper()
	out.Wait(t, text)
}

// end interrupts the command and returns its exit code.
func (r *running) end(t *testing.T) int {
	t.Helper()
	r.interrupt()
	select {
	case code := <-r.code:
		return code
	case <-time.After(20 * time.Second):
		t.Fatal("the command goes on after an interrupt")
		return 0
	}
}

func TestListenPrintsEventsAndUnsubscribesWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	r := l.start(t, "listen", "--addr", "127.0.0.1:0", "--auth-header", "Bearer open")
	r.says(t, &r.errOut, "interrupt to unsubscribe and end")
	require.Regexp(t, `✓ 6 event types( under 10 names)? registered\n  for http://127\.0\.0\.1:`, r.errOut.String())
	require.GreaterOrEqual(t, len(tableLines(l.fine(t, "webhooks", "list"))), 7)

	event := saying("msg_1", "hello")
	event.ProjectID = ""
	l.happens(t, event)
	l.happens(t, event)
	r.says(t, &r.out, "duplicate")
	lines := tableLines(r.out.String())
	require.Len(t, lines, 2)
	require.Regexp(t, `^\d\d:\d\d:\d\d webhook agent\.message agent_1 “hello”$`, lines[0])

	require.Equal(t, console.ExitYes, r.end(t))
	require.Contains(t, r.errOut.String(), "✓ unsubscribed after 1 event\n")
	require.Equal(t, "no webhooks are registered; \"sonzaihook webhooks register\" adds one\n", l.fine(t, "webhooks", "list"))
	require.NotContains(t, r.out.String()+r.errOut.String(), "whsec_")
	require.NotContains(t, r.out.String()+r.errOut.String(), "Bearer")
}

func TestListenUnsubscribesOnASignal(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			l := newLand(t)
			var out, errOut recorder.Log
			program := exec.Command(os.Args[0], "listen", "--addr", "127.0.0.1:0")
			program.Env = append(os.Environ(), append(l.environ, asProgram+"=1")...)
			program.Stdout, program.Stderr = &out, &errOut
			require.NoError(t, program.Start())
			(&running{}).says(t, &errOut, "interrupt to unsubscribe")
			require.NoError(t, program.Process.Signal(signal))
			require.NoError(t, program.Wait(), "it exits with 0")
			require.Contains(t, errOut.String(), "✓ unsubscribed after 0 events\n")
			require.Contains(t, l.fine(t, "webhooks", "list"), "no webhooks are registered")
		})
	}
}

func TestListenTakesTypesOfTheUsersOwnAndPrintsJSON(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	r := l.start(t, "listen", "--addr", "127.0.0.1:0", "--type", "lead.enriched", "--project", testProject, "--json")
	r.says(t, &r.errOut, "✓ 1 event type registered")
	l.happens(t, simulator.Event{Type: "lead.enriched", ID: "evt_1", ProjectID: testProject, Data: map[string]int{"score": 7}})
	r.says(t, &r.out, "\n")
	got := objects(t, r.out.String())[0]
	require.Equal(t, "lead.enriched", got["event_type"])
	require.Equal(t, "evt_1", got["event_id"])
	require.Equal(t, "webhook", got["source"])
	require.Equal(t, map[string]any{"score": 7.0}, got["event"].(map[string]any)["data"])
	require.Equal(t, console.ExitYes, r.end(t))
}

func TestListenTellsOfDeliveriesThatItRefuses(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	r := l.start(t, "listen", "--addr", "127.0.0.1:0", "--json")
	r.says(t, &r.errOut, "interrupt to unsubscribe")
	l.fine(t, "webhooks", "rotate", "message") // behind its back
	event := saying("msg_1", "hello")
	event.ProjectID = ""
	l.happens(t, event)
	r.says(t, &r.out, "\n")
	got := objects(t, r.out.String())[0]
	require.Equal(t, "unauthorized", got["outcome"])
	require.Equal(t, "signature mismatch", got["reason"])
	require.NotContains(t, got, "event")
	require.Equal(t, console.ExitYes, r.end(t))
}

func TestListenTakesABareWakeupFromTheURLOfItsType(t *testing.T) {
	t.Parallel()
	l := newLand(t, simulator.WithLayout(simulator.LayoutBare))
	r := l.start(t, "listen", "--addr", "127.0.0.1:0")
	r.says(t, &r.errOut, "interrupt to unsubscribe")
	l.fine(t, "wakeups", "schedule", "--agent", "agent_1", "--user", "user_1", "--intent", "say hi", "--at", "10ms")
	r.says(t, &r.out, "agent.wakeup")
	require.Contains(t, r.out.String(), "“Hello! I wanted to talk with you about say hi.”")
	require.Equal(t, console.ExitYes, r.end(t))
}

func TestListenLeavesTheWebhooksOfOthersAlone(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	l.fine(t, "webhooks", "register", "message", "--url", "https://production.example")
	listen := []string{"listen", "--addr", "127.0.0.1:0", "--type", "message", "--type", "wakeup"}

	got := l.do(t, listen...)
	require.Equal(t, console.ExitNo, got.code)
	require.Contains(t, got.errOut, "sonzaihook: registered already, perhaps for another server: agent.message: choose other types with --type, or give --take-over\n")
	require.Equal(t, "agent.message yes none now https://production.example", tableLines(l.fine(t, "webhooks", "list"))[1])
	require.Len(t, tableLines(l.fine(t, "webhooks", "list")), 2, "what listen had registered is gone")

	r := l.start(t, append(listen, "--take-over")...)
	r.says(t, &r.errOut, "! agent.message was taken over from https://production.example\n")
	event := saying("msg_1", "hello")
	event.ProjectID = ""
	l.happens(t, event)
	r.says(t, &r.out, "“hello”")
	require.Equal(t, console.ExitYes, r.end(t))
	require.Contains(t, r.errOut.String(), "! agent.message is registered no more; it was for https://production.example\n")
}

func TestListenSaysSoWhenItCannotUnsubscribe(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	r := l.start(t, "listen", "--addr", "127.0.0.1:0", "--type", "message")
	r.says(t, &r.errOut, "interrupt to unsubscribe")
	require.NoError(t, l.MisbehaveCalls(simulator.CallFault{Call: "DELETE /webhooks/{eventType}", Status: http.StatusForbidden}))
	require.Equal(t, console.ExitNo, r.end(t))
	require.Contains(t, r.errOut.String(), "sonzaihook: not unsubscribed: DELETE /webhooks/agent.message: 403 Forbidden")
	require.Contains(t, r.errOut.String(), `"sonzaihook webhooks delete" does it`)
}

func TestSimulateIsAPlatformForTheOtherCommands(t *testing.T) {
	t.Parallel()
	r := world{}.start(t, "simulate", "--addr", "127.0.0.1:0", "--json", "--api-key", "sk_mine", "--project", testProject,
		"--attempts", "8", "--speed", "100", "--every", "20ms",
		// Some answers may be lost on events that come before the receiver has its
		// secret, and that it puts off.
		"--delivery-fault", "drop-answer,type=message,times=4", "--call-fault", "call=GET /webhooks,status=503,times=1")
	r.says(t, &r.out, "\n")
	var banner struct {
		BaseURL string `json:"base_url"`
		EmitURL string `json:"emit_url"`
		Project string `json:"project_id"`
	}
	head, _, _ := strings.Cut(r.out.String(), "\n")
	require.NoError(t, json.Unmarshal([]byte(head), &banner))
	require.Equal(t, testProject, banner.Project)

	w := world{environ: []string{sonzaiapi.EnvAPIKey + "=sk_mine", sonzaiapi.EnvBaseURL + "=" + banner.BaseURL}}
	listening := w.start(t, "listen", "--addr", "127.0.0.1:0")
	for _, text := range []string{"agent.consolidation", "agent.message", "duplicate"} {
		listening.says(t, &listening.out, text)
	}
	r.says(t, &r.out, `"answer":"duplicate"`)
	require.Equal(t, console.ExitYes, listening.end(t))

	r.says(t, &r.out, `"call":"DELETE /webhooks/agent.consolidation"`)
	require.Equal(t, console.ExitYes, r.end(t))
	out := r.out.String()
	require.Contains(t, out, `"call":"GET /webhooks","status":503`)
	require.Contains(t, out, `"event_type":"agent.message","attempt":1`)
	require.Contains(t, out, `"event_type":"agent.message","attempt":2`)
	require.NotContains(t, out+r.errOut.String(), "sk_mine")
	require.NotContains(t, out+r.errOut.String(), "whsec_")
}

func TestSimulateSaysHowToUseIt(t *testing.T) {
	t.Parallel()
	r := world{}.start(t, "simulate", "--addr", "127.0.0.1:0", "--delivery-fault", "drop", "--call-fault", "html")
	r.says(t, &r.errOut, "it misbehaves: html")
	require.Equal(t, console.ExitYes, r.end(t))
	for _, text := range []string{
		"a Sonzai platform in miniature on http://127.0.0.1:", "export SONZAI_API_KEY=" + simulator.DefaultAPIKey, "sonzaihook listen", simulator.EmitPath,
		"project " + simulator.DefaultProject, "! it misbehaves: drop\n",
	} {
		require.Contains(t, r.errOut.String(), text)
	}
	require.Regexp(t, `export SONZAI_BASE_URL=http://127\.0\.0\.1:\d+\n`, r.errOut.String(), "the host alone")

	r = world{}.start(t, "simulate", "--addr", "127.0.0.1:0", "--api-key", "sk_mine")
	r.says(t, &r.errOut, "interrupt to end")
	require.Equal(t, console.ExitYes, r.end(t))
	require.Contains(t, r.errOut.String(), "export SONZAI_API_KEY=…")
	require.NotContains(t, r.errOut.String(), "sk_mine")
}

func TestPollGoesOnUntilItIsInterrupted(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	r := l.start(t, "notifications", "poll", "--agent", "agent_1", "--interval", "10ms", "--longest", "20ms")
	r.says(t, &r.errOut, "polling; interrupt to end")
	for _, id := range []string{"msg_1", "msg_2"} {
		l.happens(t, saying(id, "hello from "+id))
		r.says(t, &r.out, "“hello from "+id+"”")
	}
	require.NoError(t, l.MisbehaveCalls(simulator.CallFault{Status: http.StatusInternalServerError, Times: 1}))
	r.says(t, &r.errOut, "level=WARN msg=\"upstream: poll failed\"")
	l.happens(t, saying("msg_3", "here again"))
	r.says(t, &r.out, "“here again”")
	require.Equal(t, console.ExitYes, r.end(t))
	require.Contains(t, r.errOut.String(), "3 events fetched\n")
}
