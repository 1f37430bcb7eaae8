package upstream_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

// takes reports how the receiver answers a delivery of a message under a secret.
func takes(t *testing.T, hooks *sonzaihook.Receiver, secret string) int {
	t.Helper()
	return hooktest.Deliver(t, hooks, hooktest.Fixture(t, message), hooktest.SignedWith(secret)).Code
}

func TestRotatedSecretIsSavedBeforeItIsInstalledAndTheOldOneStaysForTheGrace(t *testing.T) {
	t.Parallel()
	p, hooks := newPlatform(t), newHooks(t, nil)
	(&ledger{}).listen(hooks, message)
	_, v := subscribed(t, p, hooks)
	before := v.load()[message][0]
	var saved string
	err := upstream.Rotate(t.Context(), hooks, p.webhooks, message, time.Hour,
		upstream.WithSecretSink(func(typ sonzaihook.EventType, secret sonzaiapi.Secret) error {
			saved = string(secret)
			require.Equal(t, message, typ)
			require.Equal(t, http.StatusServiceUnavailable, takes(t, hooks, saved), "put off, not refused")
			return nil
		}))
	require.NoError(t, err)
	require.NotEqual(t, before, saved)
	require.Equal(t, http.StatusOK, takes(t, hooks, saved))
	require.Equal(t, http.StatusOK, takes(t, hooks, before))

	require.NoError(t, upstream.Rotate(t.Context(), hooks, p.webhooks, message, 0))
	require.Equal(t, http.StatusUnauthorized, takes(t, hooks, before))
	require.Equal(t, http.StatusUnauthorized, takes(t, hooks, saved))
	p.emit(t, say("msg_1"))
	p.wait(t)
	require.Equal(t, []int{200}, p.codes(message))
}

func TestCrashBetweenTheTwoStepsOfARotationIsRepairedByRotatingAgain(t *testing.T) {
	t.Parallel()
	p, first, seen, store := newPlatform(t), newHooks(t, nil), &ledger{}, sonzaihook.NewMemoryStore(100)
	seen.listen(first, message)
	s, v := subscribed(t, p, first)

	// The platform rotates, and the process ends before it saves the answer.
	_, err := p.webhooks.RotateSecret(t.Context(), string(message))
	require.NoError(t, err)
	require.NoError(t, s.server.Close())
	second := newHooks(t, v.load(), sonzaihook.WithStore(store))
	seen.listen(second, message)
	s.start(t, second)
	lost := p.emit(t, say("msg_1"))
	p.wait(t)
	require.Equal(t, []int{401}, p.codes(message), "signed with a secret that no process knows")

	require.NoError(t, upstream.Rotate(t.Context(), second, p.webhooks, message, time.Hour, upstream.WithSecretSink(v.save)))
	next := p.emit(t, say("msg_2"))
	p.wait(t)
	require.Equal(t, []int{401, 200}, p.codes(message))
	_, err = upstream.Replay(t.Context(), second, p.webhooks)
	require.NoError(t, err)
	require.Equal(t, []string{next, lost}, seen.ids(), "what was refused in between is in the delivery log")
	require.Equal(t, http.StatusOK, takes(t, newHooks(t, v.load()), v.load()[message][0]), "and the secret is saved")
}

func TestRotationWhoseAnswerGetsLostAsksForAnotherSecret(t *testing.T) {
	t.Parallel()
	p, hooks := newPlatform(t), newHooks(t, nil)
	(&ledger{}).listen(hooks, message)
	subscribed(t, p, hooks)
	require.NoError(t, p.MisbehaveCalls(simulator.CallFault{Call: rotateWebhook, DropAnswer: true, Times: 2}))
	require.NoError(t, upstream.Rotate(t.Context(), hooks, p.webhooks, message, 0))
	p.emit(t, say("msg_1"))
	p.wait(t)
	require.Equal(t, []int{200}, p.codes(message))
}

func TestRotationWithoutAnAnswerSaysThatTheSecretMayBeUnknown(t *testing.T) {
	t.Parallel()
	p, hooks := newPlatform(t), newHooks(t, nil)
	(&ledger{}).listen(hooks, message)
	_, v := subscribed(t, p, hooks)
	require.NoError(t, p.MisbehaveCalls(simulator.CallFault{Call: rotateWebhook, Status: 503}))
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	err := upstream.Rotate(ctx, hooks, p.webhooks, message, 0)
	require.ErrorIs(t, err, upstream.ErrSecretUnknown)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "rotate it again")
	require.Equal(t, http.StatusOK, takes(t, hooks, v.load()[message][0]), "what the receiver had is still there")
	p.Behave()
	require.NoError(t, upstream.Rotate(t.Context(), hooks, p.webhooks, message, 0))
}

func TestRefusedRotationChangesNothing(t *testing.T) {
	t.Parallel()
	p, hooks := newPlatform(t), newHooks(t, sonzaihook.Secrets{message: {"whsec_known"}})
	err := upstream.Rotate(t.Context(), hooks, p.webhooks, message, 0)
	require.ErrorIs(t, err, sonzaiapi.ErrNotFound, "it is not registered")
	require.NotErrorIs(t, err, upstream.ErrSecretUnknown)
	require.Equal(t, http.StatusOK, takes(t, hooks, "whsec_known"))

	for name, err := range map[string]error{
		"no type":        upstream.Rotate(t.Context(), hooks, p.webhooks, "", 0),
		"every type":     upstream.Rotate(t.Context(), hooks, p.webhooks, sonzaihook.AnyEvent, 0),
		"negative grace": upstream.Rotate(t.Context(), hooks, p.webhooks, message, -1),
	} {
		require.ErrorIs(t, err, upstream.ErrInvalidOption, name)
	}
}
