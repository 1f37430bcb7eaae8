package inspector_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/inspector"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
)

// everything returns all that the page shows of the first deliveries.
func (d *desk) everything(n int) string {
	var all strings.Builder
	for _, path := range []string{"/", "/?show=refused", "/send"} {
		all.WriteString(d.get(path).Body.String())
	}
	for i := range n {
		all.WriteString(d.get(fmt.Sprintf("/deliveries/%d", i+1)).Body.String())
	}
	return all.String()
}

func TestSecretsSignaturesAndAuthorizationsAreNeverShown(t *testing.T) {
	t.Parallel()
	bare := strings.TrimPrefix(hooktest.Secret, "whsec_")
	d := newDesk(t, inspector.WithAuthorization("Bearer sample-authorization"))
	fixture := fixed(t)
	signature := sonzaihook.Sign(fixture, hooktest.Secret, time.Now())
	_, mac, _ := strings.Cut(signature, "v1=")
	hidden := []string{bare, mac, "sample-authorization", "kept-authorization", "kept-cookie", "kept-token"}
	send := func(header string, change func(*http.Request)) {
		req := hooktest.NewRequest(t, fixture, hooktest.Unsigned())
		req.Header.Set("Authorization", "Bearer kept-authorization")
		req.Header.Set("Cookie", "s=kept-cookie")
		req.Header.Set("X-Api-Token", "kept-token")
		req.Header.Set("X-Copy", signature)
		req.Header.Set("X-Note", "the secret is "+hooktest.Secret)
		req.Header.Set(sonzaihook.SignatureHeader, header)
		change(req)
		d.handler.ServeHTTP(&recorder.Answer{}, req)
	}
	none := func(*http.Request) {}
	for _, header := range []string{
		signature, mac, "t=1,v1=" + mac, "v1=" + mac, "v0=" + mac + ",t=1", `"` + signature + `"`, "t=" + mac, mac + "=", "a," + mac,
		strings.ToUpper(signature), signature + "," + signature, signature + ";" + mac, "Sonzai-Signature: " + signature,
	} {
		send(header, none)
	}
	send(signature, func(req *http.Request) { req.Header.Add(sonzaihook.SignatureHeader, "v1="+mac) })
	d.fails("dial with " + bare + ": refused")
	send(signature, func(req *http.Request) { req.Body = http.NoBody })
	d.message(hooktest.At(time.Now()))
	d.deliver(body(t, "my secret is "+hooktest.Secret))
	d.deliver([]byte(`{"event_type":"`+bare+`","agent_id":"`+bare+`","`+bare+`":1}`), hooktest.To("/hooks/"+bare))
	shown := d.everything(18)
	for _, secret := range hidden {
		require.NotContains(t, shown, secret)
		require.NotContains(t, fmt.Sprintf("%v %+v %#v %s %d", d.page, d.page, d.page, d.page, d.page), secret)
	}
	require.NotContains(t, strings.ToLower(shown), mac[:24], "not a piece of it either")
	require.Contains(t, shown, "hidden, 25 bytes")
}

func TestABodyIsTextAndItsTricksAreNamed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	require.Equal(t, http.StatusOK, d.deliver(body(t, "<script>alert(1)</script><img src=x onerror=alert(2)> \u202egnp.exe\u2066 zero\u200bwidth \u0000\u001b[31m\ufeff \u00a0 \U000e0041 \u200d👩\u200d👧")))
	require.Equal(t, http.StatusUnauthorized, d.deliver([]byte(`{"event_type":"<b>\u202etype</b>","agent_id":"\u2067<i>agent"}`), hooktest.Tampered()))
	require.Equal(t, http.StatusUnauthorized, d.deliver([]byte("\xff\xfe<svg onload=alert(3)>"), hooktest.Tampered()))
	shown := d.everything(3)
	for _, raw := range []string{"<script>alert", "<img src=x", "<b>", "<i>agent", "<svg onload", "\u202e", "\u2066", "\u2067", "\u200b", "\x00", "\x1b", "\ufeff", "\U000e0041"} {
		require.NotContains(t, shown, raw)
	}
	for _, name := range []string{"U+202E", "U+2066", "U+200B", "U+0000", "U+001B", "U+FEFF", "U+00A0", "U+E0041", `\xFF`, "‹U+202E›type", "👩\u200d👧", "&lt;script&gt;"} {
		require.Contains(t, strings.ReplaceAll(shown, "&#43;", "+"), name)
	}
	require.NotContains(t, shown, " style=", "the policy allows no inline style")
	require.NotContains(t, shown, "javascript:")
}

func TestWhatTheDiagnosisFindsIsShown(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, c := range map[string]struct {
		options []hooktest.Option
		want    []string
	}{
		"tampered": {[]hooktest.Option{hooktest.Tampered()}, []string{"a space was added to the end of the body", "before anything parses"}},
		"stale":    {[]hooktest.Option{hooktest.Stale()}, []string{"the signature is 1 h", "the secret and the body are right"}},
		"unsigned": {[]hooktest.Option{hooktest.Unsigned()}, []string{"there is no signature", "does a proxy drop it?"}},
		"foreign":  {[]hooktest.Option{hooktest.SignedWith("whsec_another_one")}, []string{"none of", "the secret is most likely another one"}},
		"future":   {[]hooktest.Option{hooktest.At(now.Add(time.Hour))}, []string{"future"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			require.Equal(t, http.StatusUnauthorized, d.message(c.options...))
			page := d.get("/deliveries/1").Body.String()
			require.NotContains(t, page, "--at", "the page has no such flag")
			for _, want := range c.want {
				require.Contains(t, page, want)
			}
		})
	}
}

func TestASecretOfAnotherTypeIsNamed(t *testing.T) {
	t.Parallel()
	secrets := sonzaihook.Secrets{sonzaihook.EventMessage: {"whsec_of_messages"}, sonzaihook.EventMoodChange: {"whsec_of_moods"}}
	hooks, err := sonzaihook.New(secrets)
	require.NoError(t, err)
	page := inspector.New(hooks, inspector.WithSecrets(secrets))
	d := &desk{t: t, hooks: hooks, page: page, handler: page.Capture(hooks)}
	require.Equal(t, http.StatusUnauthorized, d.message(hooktest.SignedWith("whsec_of_moods")))
	shown := d.get("/deliveries/1").Body.String()
	require.Contains(t, shown, "belongs to another event type")
	require.NotContains(t, shown, "of_moods")
	page.SetSecrets(nil)
	require.Equal(t, http.StatusUnauthorized, d.message(hooktest.Tampered()))
	require.Contains(t, d.get("/deliveries/2").Body.String(), "the inspector was given no secrets")
}

func TestSecretsOfProjectsAreTriedAndSign(t *testing.T) {
	t.Parallel()
	d := newDesk(t, inspector.WithSecrets(nil))
	require.Contains(t, d.post("/send", url.Values{"type": {"agent.message"}}).Body.String(), "no secret for this type")
	require.NoError(t, d.hooks.Project("proj_demo").SetSecrets(sonzaihook.Secret("whsec_of_the_project")))
	d.page.SetProjectSecrets("proj_demo", sonzaihook.Secret("whsec_of_the_project"))
	d.page.SetProjectSecrets("proj_<b>", sonzaihook.Secrets{sonzaihook.EventWakeup: {"whsec_of_the_other"}})
	require.Equal(t, http.StatusSeeOther, d.post("/send", url.Values{"type": {"agent.message"}}).Code)
	require.EqualValues(t, 1, d.ran.Load())
	d.message(hooktest.Tampered(), hooktest.SignedWith("whsec_of_the_project"))
	page := d.get("/deliveries/2").Body.String()
	require.Contains(t, page, "a space was added")
	require.Contains(t, page, "project proj_demo, every type")
	require.Contains(t, page, "project proj_&lt;b&gt;, agent.wakeup")
	d.message(hooktest.SignedWith("whsec_of_the_other"))
	require.Contains(t, d.get("/deliveries/3").Body.String(), "it was signed with the secret of project proj_")
	require.NotContains(t, d.everything(3), "of_the_")
}
