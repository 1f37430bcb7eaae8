package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// invocation is a delivery as API Gateway hands it to a function.
func invocation(t *testing.T, body []byte, encode bool, options ...hooktest.Option) []byte {
	t.Helper()
	signed := hooktest.NewRequest(t, body, options...)
	sent, err := io.ReadAll(signed.Body)
	if err != nil {
		t.Fatal(err)
	}
	text := string(sent)
	if encode {
		text = base64.StdEncoding.EncodeToString(sent)
	}
	event, err := json.Marshal(map[string]any{
		"version": "2.0", "routeKey": "POST /webhooks/sonzai", "rawPath": "/webhooks/sonzai",
		"headers": map[string]string{
			"content-type": "application/json",
			strings.ToLower(sonzaihook.SignatureHeader): signed.Header.Get(sonzaihook.SignatureHeader),
		},
		"requestContext":  map[string]any{"http": map[string]string{"method": "POST", "path": "/webhooks/sonzai"}},
		"body":            text,
		"isBase64Encoded": encode,
	})
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// runtimeAPI is what AWS Lambda offers a function: it hands out invocations and
// takes the answers.
func runtimeAPI(t *testing.T, invocations <-chan []byte) (addr string, answers <-chan []byte) {
	t.Helper()
	answered := make(chan []byte, 1)
	api := http.NewServeMux()
	api.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case event := <-invocations:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "1")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", "9999999999999")
			_, _ = w.Write(event)
		case <-r.Context().Done():
		}
	})
	api.HandleFunc("POST /2018-06-01/runtime/invocation/1/{kind}", func(w http.ResponseWriter, r *http.Request) {
		answer, _ := io.ReadAll(r.Body)
		answered <- answer
		w.WriteHeader(http.StatusAccepted)
	})
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), answered
}

func TestTheFunctionAnswersUnderTheRuntimeOfLambda(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "bootstrap")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-tags", "lambda.norpc", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	invocations := make(chan []byte)
	addr, answers := runtimeAPI(t, invocations)
	ctx, cancel := context.WithCancel(t.Context())
	function := exec.CommandContext(ctx, binary)
	function.Env = append(os.Environ(), "AWS_LAMBDA_RUNTIME_API="+addr, "SONZAI_WEBHOOK_SECRET="+hooktest.Secret)
	if err := function.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = function.Wait() // it was killed
	})

	mood := hooktest.Fixture(t, sonzaihook.EventMoodChange)
	for _, c := range []struct {
		name, code string
		status     int
		event      []byte
	}{
		{"as text", sonzaihook.CodeProcessed, http.StatusOK, invocation(t, mood, false)},
		{"a copy in base64", sonzaihook.CodeDuplicate, http.StatusOK, invocation(t, mood, true)},
		{"forged", sonzaihook.CodeUnauthorized, http.StatusUnauthorized, invocation(t, mood, true, hooktest.Tampered())},
	} {
		invocations <- c.event
		select {
		case got := <-answers:
			var answer response
			if err := json.Unmarshal(got, &answer); err != nil {
				t.Fatalf("%s: %v: %s", c.name, err, got)
			}
			want := string(sonzaihook.Outcome{Code: c.code}.Body())
			if answer.StatusCode != c.status || answer.Body != want || answer.Headers["Content-Type"] == "" {
				t.Errorf("%s: %s, want %d %s", c.name, got, c.status, want)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%s: no answer", c.name)
		}
	}
}

func TestTheFunctionDoesNotStartWithoutASecret(t *testing.T) {
	t.Setenv("SONZAI_WEBHOOK_SECRET", "")
	if _, err := newHooks(); !errors.Is(err, sonzaihook.ErrInvalidSecret) {
		t.Errorf("New: %v", err)
	}
}

func TestABodyThatCannotBeReadIsNotFinal(t *testing.T) {
	t.Parallel()
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := handler(hooks)(t.Context(), request{Body: "%", IsBase64Encoded: true}); err == nil {
		t.Error("no error, and so an answer that ends the delivery")
	}
}

func TestAnAnswerKeepsItsHeaders(t *testing.T) {
	t.Parallel()
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret))
	if err != nil {
		t.Fatal(err)
	}
	hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { return nil })
	if err := hooks.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	var req request
	if err := json.Unmarshal(invocation(t, hooktest.Fixture(t, sonzaihook.EventMoodChange), false), &req); err != nil {
		t.Fatal(err)
	}
	answer, err := handler(hooks)(t.Context(), req)
	if err != nil || answer.StatusCode != http.StatusServiceUnavailable || answer.Headers["Retry-After"] != "5" {
		t.Errorf("%+v, %v", answer, err)
	}
}
