package watermillhook_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/watermillhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
)

func TestWhatTravelsIsTheDeliveryWithoutWhatAuthenticatedIt(t *testing.T) {
	t.Parallel()
	body := []byte("{ \"event_type\":\"on_mood_updated\",\n\"event_id\":\"evt_\\u0001\", \"data\":{\"label\":\"calm\"} }")
	var p topic
	front := recorder.New(t, nil, sonzaihook.WithAuthorization("Bearer shared"),
		sonzaihook.WithHandOff(func(ctx context.Context, d *sonzaihook.Delivery) error {
			own := *d
			own.ID += "\x00\xff"
			own.Project, own.Trace = "proj_\xff", map[string]string{"traceparent": "00-a-b-01", "tracestate": "x=1,y=\xfe&z"}
			return watermillhook.Publish(&p, "sonzai")(ctx, &own)
		}))
	req := hooktest.NewRequest(t, body, hooktest.Authorization("Bearer shared"))
	at := time.Now()
	front.ServeHTTP(httptest.NewRecorder(), req)
	msg := p.take(t)
	require.Equal(t, body, []byte(msg.Payload), "byte for byte")
	for key, value := range msg.Metadata {
		require.NotContains(t, value, "Bearer", key)
		require.NotContains(t, value, req.Header.Get(sonzaihook.SignatureHeader)[15:], key)
		for _, b := range []byte(key + value) {
			require.True(t, b > ' ' && b < 0x7f, "%s is not printable", key)
		}
	}
	received, err := strconv.ParseInt(msg.Metadata["sonzaihook-received-at"], 10, 64)
	require.NoError(t, err)
	require.WithinDuration(t, at, time.UnixMilli(received), time.Minute)
	require.Equal(t, "1", msg.Metadata["sonzaihook-format"])

	d, err := watermillhook.Delivery(msg)
	require.NoError(t, err)
	require.Equal(t, body, d.Body)
	require.Equal(t, sonzaihook.EventMoodChange, d.Type)
	require.Equal(t, "on_mood_updated", d.Name)
	require.Equal(t, "proj_\xff", d.Project)
	require.Equal(t, sonzaihook.SourceBroker, d.Source)
	require.Equal(t, map[string]string{"traceparent": "00-a-b-01", "tracestate": "x=1,y=\xfe&z"}, d.Trace)
	require.WithinDuration(t, at, d.SignedAt, time.Minute)
	require.Contains(t, d.ID, "evt_")
	require.Contains(t, d.ID, "\x00\xff")
	require.Len(t, msg.UUID, 64, "a digest, whatever the identity holds")
}

func TestABrokerThatIsDownIsAnswered503(t *testing.T) {
	t.Parallel()
	front := recorder.New(t, nil, sonzaihook.WithHandOff(watermillhook.Publish(&topic{err: errors.New("no route to broker")}, "sonzai")))
	answer := hooktest.Deliver(t, front, mood("evt_1"))
	require.Equal(t, http.StatusServiceUnavailable, answer.Code)
	require.Contains(t, answer.Body.String(), sonzaihook.CodeQueueUnavailable)
}

func TestMetadataThatCannotBeReadGoesToTheDeadLetter(t *testing.T) {
	t.Parallel()
	for key, value := range map[string]string{
		"sonzaihook-id": "not base64!", "sonzaihook-due": "soon", "sonzaihook-trace": "%zz", "sonzaihook-format": "one",
	} {
		worker := recorder.New(t, nil).HandleAll(nil)
		msg := queued(t, mood("evt_1"))
		msg.Metadata[key] = value
		require.ErrorIs(t, quick(worker)(msg), sonzaihook.ErrNoDeadLetter, key)
		worker.KeepDeadLetters(nil)
		require.NoError(t, quick(worker)(msg), key)
		require.ErrorIs(t, worker.DeadLetters.Last(t).Reason, watermillhook.ErrMalformed, key)
		require.Equal(t, mood("evt_1"), worker.DeadLetters.Last(t).Body)
	}
}

func TestAMessageOfSomebodyElseIsADeliveryOfItsBody(t *testing.T) {
	t.Parallel()
	worker := recorder.New(t, nil).HandleAll(nil)
	require.NoError(t, quick(worker)(message.NewMessage("1", mood("evt_1"))))
	require.NoError(t, quick(worker)(message.NewMessage("2", mood("evt_1"))))
	require.Equal(t, 1, worker.Runs.Len())
}

// A receiver that hands off must not do so with what its own worker dispatches,
// also where the worker forgets to say where it has it from.
func TestAWorkerThatForgetsTheSourceLosesNothing(t *testing.T) {
	t.Parallel()
	var p topic
	both := recorder.New(t, nil, sonzaihook.WithHandOff(watermillhook.Publish(&p, "sonzai"))).HandleAll(nil)
	require.Equal(t, http.StatusAccepted, hooktest.Deliver(t, both, mood("evt_1")).Code)
	d, err := watermillhook.Delivery(p.take(t))
	require.NoError(t, err)
	d.Source = ""
	require.Equal(t, sonzaihook.CodeProcessed, both.Dispatch(t.Context(), d).Code)
	require.Equal(t, 1, both.Runs.Len())
	require.Equal(t, p.taken, p.messages.Len())
}

// Without an identity of the caller's, two events still have two message ids.
func TestADeliveryWithoutAnIdentityGetsAMessageIDOfItsOwn(t *testing.T) {
	t.Parallel()
	var p topic
	publish, ids := watermillhook.Publish(&p, "sonzai"), map[string]bool{}
	for _, body := range [][]byte{mood("evt_1"), mood("evt_2"), []byte("no JSON"), []byte("none either")} {
		require.NoError(t, publish(t.Context(), &sonzaihook.Delivery{Source: sonzaihook.SourcePoll, Body: body}))
		ids[p.take(t).UUID] = true
	}
	require.Len(t, ids, 4)
}
