package sonzaihook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
	"github.com/stretchr/testify/require"
)

func TestSecretBindsTheTypeOfADelivery(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, sonzaihook.Secrets{
		sonzaihook.EventMessage: {"whsec_message_old", "whsec_message_new"},
		"on_mood_updated":       {"whsec_mood"},
		"lead.enriched":         {"whsec_lead"},
	}).HandleAll(nil)
	for _, c := range []struct {
		typ    string
		secret string
		status int
	}{
		{"agent.message", "whsec_message_old", 200},
		{"agent.message", "whsec_message_new", 200},
		{"agent.message", "whsec_mood", 401},
		{"agent.message", "whsec_nobody", 401},
		{"agent.mood_change", "whsec_mood", 200},
		{"on_mood_updated", "whsec_mood", 200},
		{"on_mood_updated", "whsec_message_old", 401},
		{"lead.enriched", "whsec_lead", 200},
		{"agent.wakeup", "whsec_lead", 401},
		{"session.end", "whsec_lead", 401},
	} {
		body := fmt.Appendf(nil, `{"event_type":%q,"event_id":"%s %s"}`, c.typ, c.typ, c.secret)
		answer := hooktest.Deliver(t, h, body, hooktest.SignedWith(c.secret))
		require.Equal(t, c.status, answer.Code, "%s under %s", c.typ, c.secret)
	}
}

func TestABodyWithoutATypeTakesItFromTheSecretElseFromItsWakeup(t *testing.T) {
	t.Parallel()
	wakeup, message := sonzaihook.EventWakeup, sonzaihook.EventMessage
	bare, bodyOfNothing := string(hooktest.BareWakeup(t)), `{"content":"hi"}`
	for _, c := range []struct {
		name    string
		secrets sonzaihook.Secrets
		target  string
		body    string
		status  int
		typ     sonzaihook.EventType
	}{
		{"a secret of the type", sonzaihook.Secrets{wakeup: {"whsec_w"}}, "/", bare, 200, wakeup},
		{"under another of its names", sonzaihook.Secrets{"on_wakeup_ready": {"whsec_w"}}, "/", bare, 200, wakeup},
		{"beside other secrets", sonzaihook.Secrets{wakeup: {"whsec_w"}, message: {"whsec_m"}}, "/", bare, 200, wakeup},
		{"a URL names nothing", sonzaihook.Secrets{wakeup: {"whsec_w"}}, "/agent.message", bare, 200, wakeup},
		{"a secret of any type", sonzaihook.Secret("whsec_w"), "/", bare, 200, wakeup},
		{"a secret of two types", sonzaihook.Secrets{wakeup: {"whsec_w"}, message: {"whsec_w"}}, "/", bare, 200, wakeup},
		{"another body under a secret of one type", sonzaihook.Secrets{message: {"whsec_w"}}, "/", bodyOfNothing, 200, message},
		{"a type of the user's", sonzaihook.Secrets{"lead.enriched": {"whsec_w"}}, "/", bodyOfNothing, 200, "lead.enriched"},
		{"another body under a secret of any type", sonzaihook.Secret("whsec_w"), "/agent.message", bodyOfNothing, 400, ""},
		{"another secret", sonzaihook.Secrets{wakeup: {"whsec_x"}}, "/agent.wakeup", bare, 401, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := recorder.New(t, c.secrets).HandleAll(nil)
			mux := http.NewServeMux()
			mux.Handle("POST /{event}", h)
			mux.Handle("POST /", h)
			answer := hooktest.Deliver(t, mux, []byte(c.body), hooktest.To(c.target), hooktest.SignedWith("whsec_w"))
			require.Equal(t, c.status, answer.Code, h.Log.String())
			require.Equal(t, c.typ, h.Outcomes.Last(t).Type)
			require.Equal(t, map[bool]int{true: 1}[c.status == 200], h.Runs.Len())
		})
	}
}

func TestURLNeverOverridesTheTypeInTheBody(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, sonzaihook.Secrets{sonzaihook.EventMessage: {"whsec_m"}}).HandleAll(nil)
	mux := http.NewServeMux()
	mux.Handle("/{event}", h)
	answer := hooktest.Deliver(t, mux, message(t), hooktest.To("/agent.wakeup"), hooktest.SignedWith("whsec_m"))
	require.Equal(t, http.StatusOK, answer.Code)
	require.Equal(t, sonzaihook.EventMessage, h.Outcomes.Last(t).Type)
}

// clock is a clock that a test sets.
type clock struct{ unix atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.unix.Store(1_800_000_000)
	return c
}

func (c *clock) now() time.Time          { return time.Unix(c.unix.Load(), 0) }
func (c *clock) advance(d time.Duration) { c.unix.Add(int64(d / time.Second)) }

func TestRotateKeepsTheOldSecretForTheGrace(t *testing.T) {
	t.Parallel()
	clock := newClock()
	h := recorder.New(t, sonzaihook.Secrets{sonzaihook.EventMessage: {"old"}, sonzaihook.EventWakeup: {"wakeup"}}, sonzaihook.WithClock(clock.now)).HandleAll(nil)
	var n int
	accepts := func(typ sonzaihook.EventType, secret string) bool {
		n++
		body := fmt.Appendf(nil, `{"event_type":%q,"event_id":"%d"}`, typ, n)
		return hooktest.Deliver(t, h, body, hooktest.SignedWith(secret), hooktest.At(clock.now())).Code == http.StatusOK
	}
	require.NoError(t, h.Rotate(sonzaihook.EventMessage, "new", time.Minute))
	require.True(t, accepts(sonzaihook.EventMessage, "old"))
	require.True(t, accepts(sonzaihook.EventMessage, "new"))
	require.True(t, accepts(sonzaihook.EventWakeup, "wakeup"), "another type is not touched")

	clock.advance(59 * time.Second)
	require.NoError(t, h.Rotate(sonzaihook.EventMessage, "new", time.Hour))
	require.True(t, accepts(sonzaihook.EventMessage, "old"))
	clock.advance(time.Second)
	require.False(t, accepts(sonzaihook.EventMessage, "old"), "rotating again does not lengthen the grace")
	require.True(t, accepts(sonzaihook.EventMessage, "new"))

	require.NoError(t, h.Rotate("on_wakeup_ready", "other", 0))
	require.True(t, accepts(sonzaihook.EventWakeup, "wakeup"), "another name of the type is another registration")
	require.True(t, accepts(sonzaihook.EventWakeup, "other"))
	require.NoError(t, h.Rotate(sonzaihook.EventWakeup, "now", 0))
	require.False(t, accepts(sonzaihook.EventWakeup, "wakeup"), "without a grace the old one ends at once")
	require.True(t, accepts("on_wakeup_ready", "now"), "a secret binds to the type, whichever name it has")
	require.True(t, accepts(sonzaihook.EventWakeup, "other"))

	require.NoError(t, h.Rotate(sonzaihook.EventMessage, "old", time.Minute))
	clock.advance(time.Hour)
	require.True(t, accepts(sonzaihook.EventMessage, "old"), "rotating back makes it good again")
	require.False(t, accepts(sonzaihook.EventMessage, "new"))

	require.NoError(t, h.Rotate("lead.enriched", "lead", time.Minute))
	require.True(t, accepts("lead.enriched", "lead"), "a type that had none gets one")

	require.NoError(t, h.SetSecrets(sonzaihook.Secret("any")))
	require.False(t, accepts(sonzaihook.EventMessage, "old"))
	require.True(t, accepts(sonzaihook.EventMessage, "any"))
}

func TestDeliveryThatMayBeSignedWithAnAwaitedSecretIsPutOff(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, sonzaihook.Secrets{sonzaihook.EventMessage: {"old"}, sonzaihook.EventWakeup: {"wakeup"}}).HandleAll(nil)
	status := func(typ sonzaihook.EventType, secret string, options ...hooktest.Option) int {
		return hooktest.Deliver(t, h, fmt.Appendf(nil, `{"event_type":%q}`, typ), append(options, hooktest.SignedWith(secret))...).Code
	}
	require.Equal(t, 401, status(sonzaihook.EventMessage, "new"))
	err := h.RotateFrom(t.Context(), sonzaihook.EventMessage, time.Hour, func(context.Context) (string, error) {
		answer := hooktest.Deliver(t, h, message(t), hooktest.SignedWith("new"))
		require.Equal(t, "retry_later", code(t, answer))
		require.Equal(t, "1", answer.Header().Get("Retry-After"))
		require.ErrorIs(t, h.Outcomes.Last(t).Err, sonzaihook.ErrSecretAwaited)
		require.Equal(t, 200, status(sonzaihook.EventMessage, "old"))
		require.Equal(t, 401, status(sonzaihook.EventMessage, "new", hooktest.Stale()))
		require.Equal(t, 401, status(sonzaihook.EventWakeup, "new"), "another type")
		require.Equal(t, 401, status(sonzaihook.EventMessage, "wakeup"), "a secret that is known")
		require.Equal(t, 503, hooktest.Deliver(t, h, []byte("{}"), hooktest.SignedWith("new")).Code, "it may be of the type")
		require.NoError(t, h.SetSecrets(sonzaihook.Secret("old")))
		require.Equal(t, 503, status(sonzaihook.EventMessage, "new"), "still awaited")
		return "new", nil
	})
	require.NoError(t, err)
	require.Equal(t, 200, status(sonzaihook.EventMessage, "new"))
	require.Equal(t, 401, status(sonzaihook.EventMessage, "other"))

	err = h.RotateFrom(t.Context(), sonzaihook.EventMessage, 0, func(context.Context) (string, error) { return "", errUser })
	require.ErrorIs(t, err, errUser)
	err = h.RotateFrom(t.Context(), sonzaihook.EventMessage, 0, func(context.Context) (string, error) { return " ", nil })
	require.ErrorIs(t, err, sonzaihook.ErrInvalidSecret)
	require.Equal(t, 401, status(sonzaihook.EventMessage, "other"), "awaited no more")
	require.Equal(t, 200, status(sonzaihook.EventMessage, "new"), "nothing was changed")
}

func TestReceiverSaysForWhichTypesItHasASecret(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, sonzaihook.Secrets{sonzaihook.EventMoodChange: {"mood"}})
	require.True(t, h.HasSecret(sonzaihook.EventMoodChange))
	require.False(t, h.HasSecret("on_mood_updated"), "another registration")
	require.False(t, h.HasSecret(sonzaihook.EventMessage))
	require.NoError(t, h.Rotate(sonzaihook.AnyEvent, "any", 0))
	require.True(t, h.HasSecret(sonzaihook.EventMessage))
}

func TestRotateAndSetSecretsRefuseBadSecretsAndChangeNothing(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil).HandleAll(nil)
	require.ErrorIs(t, h.SetSecrets(nil), sonzaihook.ErrInvalidSecret)
	require.ErrorIs(t, h.SetSecrets(sonzaihook.Secret("good", " bad")), sonzaihook.ErrInvalidSecret)
	require.ErrorIs(t, h.Rotate(sonzaihook.AnyEvent, "", time.Hour), sonzaihook.ErrInvalidSecret)
	require.ErrorIs(t, h.Rotate("", "good", time.Hour), sonzaihook.ErrInvalidOption)
	require.ErrorIs(t, h.Rotate(sonzaihook.AnyEvent, "good", -1), sonzaihook.ErrInvalidOption)
	require.Equal(t, http.StatusOK, hooktest.Deliver(t, h, message(t)).Code)
}

func TestPlatformMaySignWithBothSecretsWhileOneRotates(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, sonzaihook.Secret("new")).HandleAll(nil)
	require.Equal(t, http.StatusOK, hooktest.Deliver(t, h, message(t), hooktest.SignedWith("old", "new")).Code)
}

func TestNoVerbAndNoEncoderShowsASecret(t *testing.T) {
	t.Parallel()
	const secret = "whsec_verysecret"
	secrets := sonzaihook.Secrets{sonzaihook.EventMessage: {secret, secret + "2"}, sonzaihook.AnyEvent: {secret + "3"}}
	r, err := sonzaihook.New(secrets, sonzaihook.WithAuthorization("Bearer verysecret"))
	require.NoError(t, err)
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	logger.Info("start", "secrets", secrets, "receiver", r)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		_, _ = fmt.Fprintf(&log, verb+" "+verb+" "+verb, secrets, r, struct {
			S sonzaihook.Secrets
			R *sonzaihook.Receiver
		}{secrets, r})
	}
	require.NotContains(t, log.String(), "verysecret")
	require.NotContains(t, log.String(), fmt.Sprintf("%x", "verysecret"))
	require.Contains(t, log.String(), "3 secrets of 2 event types")
	_, err = json.Marshal(secrets)
	require.ErrorIs(t, err, sonzaihook.ErrInvalidSecret)
}
