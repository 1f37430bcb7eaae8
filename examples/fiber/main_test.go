package main

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

func TestTheAnswersAreTheReceivers(t *testing.T) {
	t.Parallel()
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret))
	if err != nil {
		t.Fatal(err)
	}
	hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { return nil })
	app := newApp(hooks)
	body := hooktest.Fixture(t, sonzaihook.EventMoodChange)
	deliver := func(want int, code string, options ...hooktest.Option) *http.Response {
		t.Helper()
		req := hooktest.NewRequest(t, body, append(options, hooktest.To("/webhooks/sonzai/agent.mood_change"))...)
		res, err := app.Test(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != want || string(got) != string(sonzaihook.Outcome{Code: code}.Body()) {
			t.Errorf("%d %s, want %d %s", res.StatusCode, got, want, code)
		}
		return res
	}
	deliver(http.StatusOK, sonzaihook.CodeProcessed)
	deliver(http.StatusOK, sonzaihook.CodeDuplicate)
	res := deliver(http.StatusUnauthorized, sonzaihook.CodeUnauthorized, hooktest.Tampered())
	if got := res.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type: %s", got)
	}
	if err := hooks.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	res = deliver(http.StatusServiceUnavailable, sonzaihook.CodeShuttingDown)
	if got := res.Header.Get("Retry-After"); got != "5" {
		t.Errorf("Retry-After: %s", got)
	}
}
