package upstream_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

const (
	createChannel = "POST /channels"
	chosen        = sonzaiapi.Secret("whsec_chosen_by_the_customer")
)

func TestAChannelDeliversEveryTypeOfTheReceiverUnderTheChosenSecret(t *testing.T) {
	t.Parallel()
	p, hooks, seen := newPlatform(t), newHooks(t, nil, sonzaihook.WithAuthorization("Bearer mine")), &ledger{}
	seen.listen(hooks, message, wakeup)
	s := serve(t, hooks)
	channel, err := upstream.SubscribeChannel(t.Context(), hooks, p.client.Channels(), "mine", "http://"+s.address+"/webhooks/sonzai/all",
		chosen, upstream.WithAuthHeader("Bearer mine"))
	require.NoError(t, err)
	require.Equal(t, []string{"agent.message", "agent.wakeup", "on_wakeup_ready"}, channel.Events)
	p.emit(t, say("msg_1"))
	p.emit(t, simulator.Event{Type: string(wakeup)})
	p.emit(t, simulator.Event{Type: string(mood)})
	p.wait(t)
	require.Len(t, seen.All(), 2)
	for _, a := range p.ChannelAttempts("", channel.ID) {
		require.Equal(t, http.StatusOK, a.Code, a.ResponseBody)
	}
	require.NoError(t, p.client.Channels().Delete(t.Context(), channel.ID))
}

func TestAnEventOfAChannelAndARegistrationRunsOnce(t *testing.T) {
	t.Parallel()
	p, hooks, seen := newPlatform(t), newHooks(t, nil), &ledger{}
	seen.listen(hooks, message)
	s, _ := subscribed(t, p, hooks)
	channel, err := upstream.SubscribeChannel(t.Context(), hooks, p.client.Channels(), "mine", "http://"+s.address+"/webhooks/sonzai/x", chosen)
	require.NoError(t, err)
	p.emit(t, say("msg_1"))
	p.wait(t)
	require.Len(t, seen.All(), 1)
	attempts := p.ChannelAttempts("", channel.ID)
	require.Equal(t, http.StatusOK, attempts[len(attempts)-1].Code)
	codes := p.codes(message)
	require.Equal(t, http.StatusOK, codes[len(codes)-1], "the secret of the registration is still there")
}

func TestSubscribingAChannelAgainRotatesItsSecret(t *testing.T) {
	t.Parallel()
	p, target := newPlatform(t), newPart("", message)
	first, err := upstream.SubscribeChannel(t.Context(), target, p.client.Channels(), "mine", "https://me.example/", chosen)
	require.NoError(t, err)
	second, err := upstream.SubscribeChannel(t.Context(), target, p.client.Channels(), "mine", "https://moved.example/", "whsec_next",
		upstream.WithTypes(ready))
	require.NoError(t, err)
	require.Equal(t, first.ID, second.ID)
	require.Equal(t, "https://moved.example/", second.URL)
	require.Equal(t, []string{"on_wakeup_ready"}, second.Events, "as it was given")
	require.Equal(t, []string{"whsec_next", string(chosen)}, target.of(sonzaihook.AnyEvent))
	list, err := p.client.Channels().List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
}

func TestAChannelWhoseAnswerGotLostIsNotMadeTwice(t *testing.T) {
	t.Parallel()
	p, target := newPlatform(t), newPart("", message)
	require.NoError(t, p.MisbehaveCalls(simulator.CallFault{Call: createChannel, DropAnswer: true, Times: 1}))
	_, err := upstream.SubscribeChannel(t.Context(), target, p.client.Channels(), "mine", "https://me.example/", chosen)
	require.NoError(t, err)
	list, err := p.client.Channels().List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.True(t, target.HasSecret(sonzaihook.AnyEvent))
}

func TestAChannelThatIsRefusedLeavesTheReceiverAsItWas(t *testing.T) {
	t.Parallel()
	p, target := newPlatform(t), newPart("", message)
	require.NoError(t, p.MisbehaveCalls(simulator.CallFault{Call: createChannel, Status: 403}))
	_, err := upstream.SubscribeChannel(t.Context(), target, p.client.Channels(), "mine", "https://me.example/", chosen)
	require.ErrorIs(t, err, sonzaiapi.ErrForbidden)
	require.NotErrorIs(t, err, upstream.ErrSecretUnknown)
	require.False(t, target.HasSecret(sonzaihook.AnyEvent))
	require.NotContains(t, err.Error(), string(chosen))
}

func TestAChannelThatCannotBeRightIsRefusedBeforeAnythingIsDone(t *testing.T) {
	t.Parallel()
	p, calls := strict(t, nil)
	target := newPart("", message)
	for name, test := range map[string]struct {
		target        upstream.Target
		name, address string
		secret        sonzaiapi.Secret
	}{
		"no name":               {target, " ", "https://me.example/", chosen},
		"a place for the event": {target, "n", "https://me.example/{event}", chosen},
		"a place for a project": {target, "n", "https://me.example/{project}", chosen},
		"no secret":             {target, "n", "https://me.example/", ""},
		"the prefix alone":      {target, "n", "https://me.example/", "whsec_"},
		"white space":           {target, "n", "https://me.example/", chosen + "\n"},
		"another project":       {newPart("p2", message), "n", "https://me.example/", chosen},
		"no callback":           {newPart(""), "n", "https://me.example/", chosen},
	} {
		_, err := upstream.SubscribeChannel(t.Context(), test.target, p.client.Channels(), test.name, test.address, test.secret)
		require.ErrorIs(t, err, upstream.ErrInvalidOption, name)
		require.ErrorIs(t, err, sonzaihook.ErrInvalidOption, name)
		require.NotContains(t, err.Error(), "chosen_by", name)
	}
	require.Empty(t, *calls)
}

func TestAChannelOfAProjectGivesItsSecretToThatProject(t *testing.T) {
	t.Parallel()
	p, one := newPlatform(t, simulator.WithProjects("tenant", "p1")), newPart("p1", message)
	channel, err := upstream.SubscribeChannel(t.Context(), one, p.client.Project("p1").Channels(), "mine", "https://me.example/{project}", chosen)
	require.NoError(t, err)
	require.Equal(t, "p1", channel.ProjectID)
	require.Equal(t, "https://me.example/p1", channel.URL)
	require.Equal(t, []string{string(chosen)}, one.of(sonzaihook.AnyEvent))
}
