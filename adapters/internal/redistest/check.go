//go:build unix

package redistest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// patience is how long a server may take for a step on a busy machine.
const patience = 30 * time.Second

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

func contains(s, part string) bool { return strings.Contains(s, part) }

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for until := time.Now().Add(patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func claims(t testing.TB, store sonzaihook.Store, key, token string, want sonzaihook.State) {
	t.Helper()
	got, err := store.Claim(t.Context(), key, token, time.Hour)
	must(t, err)
	equal(t, "claim of "+key, got, want)
}

func answers(t testing.TB, hooks http.Handler, body []byte, want int) *httptest.ResponseRecorder {
	t.Helper()
	answer := hooktest.Deliver(t, hooks, body)
	equal(t, "status", answer.Code, want)
	return answer
}

// becomes claims until the answer is the one that is wanted.
func becomes(t testing.TB, store sonzaihook.Store, key string, want sonzaihook.State) {
	t.Helper()
	eventually(t, key+" is "+want.String(), func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		state, err := store.Claim(ctx, key, "b", time.Hour)
		return err == nil && state == want
	})
}
