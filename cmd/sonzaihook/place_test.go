package main

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
)

func TestATypeInAURLAddsNoSegmentAndNoParameter(t *testing.T) {
	t.Parallel()
	const pattern = "https://a.example/hooks/{event}"
	for eventType, want := range map[string]string{
		"agent.message": "https://a.example/hooks/agent.message",
		"a/b":           "https://a.example/hooks/a%2Fb",
		"../admin":      "https://a.example/hooks/..%2Fadmin",
		"..":            "https://a.example/hooks/%2E%2E",
		".":             "https://a.example/hooks/%2E",
		"a?b=c#d":       "https://a.example/hooks/a%3Fb=c%23d",
		"a b\u202e":     "https://a.example/hooks/a%20b%E2%80%AE",
		"100%":          "https://a.example/hooks/100%25",
	} {
		require.Equal(t, want, place{event: eventType}.url(pattern))
	}
	require.Equal(t, "https://a.example/?type=a%26b%3Dc&x=1", place{event: "a&b=c"}.url("https://a.example/?type={event}&x=1"))
	require.Equal(t, "https://a.example/same", place{event: "a/b"}.url("https://a.example/same"))
}

func TestATypeInAFileNameNamesNoOtherFolder(t *testing.T) {
	t.Parallel()
	for _, eventType := range []string{"", ".", "..", "a/b", "../x", `a\b`, `..\x`, "c:x", "a\x00b"} {
		_, err := place{event: eventType}.file("secrets/{event}")
		require.ErrorContains(t, err, "cannot stand in the name of a file", "%q", eventType)
		name, err := place{event: eventType}.file("secrets/one")
		require.NoError(t, err, "it does not stand in this one")
		require.Equal(t, "secrets/one", name)
	}
	for _, eventType := range []string{"agent.message", "...", ".hidden", "on_wakeup_ready"} {
		name, err := place{event: eventType}.file("secrets/{event}")
		require.NoError(t, err)
		require.Equal(t, "secrets/"+eventType, name)
	}
}

func TestASecretFileOfAHostileTypeIsRefusedBeforeThePlatformIsAsked(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	folder := filepath.Join(t.TempDir(), "secrets")
	require.NoError(t, os.Mkdir(folder, 0o700))
	for _, eventType := range []string{"..", ".", "../other"} {
		for _, command := range []string{"register", "rotate"} {
			args := []string{"webhooks", command, eventType, "--secret-file", filepath.Join(folder, eventPlace)}
			if command == "register" {
				args = append(args, "--url", "https://a.example")
			}
			got := l.do(t, args...)
			require.Equal(t, console.ExitTrouble, got.code)
			require.Contains(t, got.errOut, "--secret-file: the event type")
		}
	}
	require.Contains(t, l.fine(t, "webhooks", "list"), "no webhooks")
	entries, err := os.ReadDir(filepath.Dir(folder))
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestReplayEscapesTheTypeInTheURL(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	var in inbox
	url := in.start(t, func(http.ResponseWriter, *http.Request) {})
	r := replayOptions{platform: platform{console: consoleOf(t, l.world)}, url: url + "/{event}", secret: testSecret}
	req, err := r.request(missed{Type: "../admin?x=1", body: []byte("{}")})
	require.NoError(t, err)
	require.Equal(t, url+"/..%2Fadmin%3Fx=1", req.URL)
	r.secret = "@secrets/{event}"
	_, err = r.request(missed{Type: "../admin", body: []byte("{}")})
	require.ErrorContains(t, err, "cannot stand in the name of a file")
}
