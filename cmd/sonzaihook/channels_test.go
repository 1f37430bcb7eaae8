package main

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

func TestAChannelDeliversWhatItTakesSignedWithTheGivenSecret(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	var in inbox
	url := in.start(t, func(http.ResponseWriter, *http.Request) {})
	secret := "@" + writeFile(t, testSecret+"\n")
	out := l.fine(t, "channels", "create", "main", "--url", url+"/{project}", "--secret", secret, "--type", "message",
		"--project", testProject, "--auth-header", "Bearer open")
	require.Regexp(t, `^✓ main  created  ch_\w+\n  takes agent\.message at `+url+`/`+testProject+`\n$`, out)

	event := saying("msg_1", "hello")
	event.ProjectID = testProject
	l.happens(t, event)
	event.ProjectID = ""
	l.happens(t, event) // of another project
	require.Len(t, in.bodies, 1)
	require.Equal(t, "Bearer open", in.requests[0].Header.Get("Authorization"))
	require.NoError(t, sonzaihook.Verify(in.bodies[0], in.requests[0].Header.Get(sonzaihook.SignatureHeader), testSecret, consoleOf(t, world{}).Now(), sonzaihook.DefaultTolerance))

	got := l.do(t, "channels", "create", "main", "--url", url, "--secret", secret, "--project", testProject)
	require.Equal(t, console.ExitNo, got.code)
	require.Contains(t, got.errOut, `there is a channel "main" already`)
	changed := objects(t, l.fine(t, "channels", "create", "main", "--url", url, "--secret", secret, "--project", testProject, "--replace", "--json"))[0]
	require.Equal(t, "changed", changed["done"])
	list := l.fine(t, "channels", "list", "--project", testProject)
	require.Len(t, tableLines(list), 2)
	require.Regexp(t, `^ch_\w+ main webhook yes now all `+url+`$`, tableLines(list)[1])
	require.NotContains(t, list, testSecret)

	id := changed["channel_id"].(string)
	require.Equal(t, "✓ "+id+"  deleted\n", l.fine(t, "channels", "delete", id, "--project", testProject))
	require.Contains(t, l.fine(t, "channels", "list", "--project", testProject), "there are no channels")
	got = l.do(t, "channels", "delete", id, "--project", testProject)
	require.Equal(t, console.ExitNo, got.code)
	require.Contains(t, got.errOut, `"sonzaihook channels list" shows what there is`)
}

func TestAChannelThatCannotWorkIsRefusedBeforeThePlatformIsAsked(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	for _, test := range []struct {
		args []string
		line string
	}{
		{[]string{"--url", "https://a.example"}, "which channel? Give it a name"},
		{[]string{"main", "--url", "https://a.example/{event}"}, "--url: one address takes every event type"},
		{[]string{"main", "--url", "https://a.example/{project}"}, "--url: with {project} in it --project is needed"},
		{[]string{"main", "--url", "https://a.example"}, errNoSecret.Error()},
		{[]string{"main", "--url", "https://a.example", "--secret", `"whsec_topsecret"`}, "invalid secret"},
		{[]string{"main", "--url", "https://a.example", "--secret", "@" + filepath.Join(t.TempDir(), "none")}, "secret: open"},
		{[]string{"main", "--url", "http://a.example", "--secret", testSecret}, "must start with https://"},
	} {
		got := l.do(t, append([]string{"channels", "create"}, test.args...)...)
		require.Equal(t, console.ExitTrouble, got.code, got.errOut)
		require.Contains(t, got.errOut, test.line)
		require.NotContains(t, got.errOut, "topsecret")
	}
	require.Equal(t, console.ExitTrouble, l.do(t, "channels", "delete").code)
	channels, err := clientOf(t, l).Channels().List(t.Context())
	require.NoError(t, err)
	require.Empty(t, channels)
}

func clientOf(t *testing.T, l land) *sonzaiapi.Client {
	t.Helper()
	client, err := (&platform{console: consoleOf(t, l.world)}).client()
	require.NoError(t, err)
	return client
}
