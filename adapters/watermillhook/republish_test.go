package watermillhook_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/watermillhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
)

// A broker may drop a message whose id it has seen, so what is sent again must
// never have an id that was used.
func TestWhatIsPublishedAgainCountsItsAttemptsUnderNewIDs(t *testing.T) {
	t.Parallel()
	worker, p := recorder.New(t, nil).HandleAll(errDown).KeepDeadLetters(nil), &topic{}
	var later atomic.Int64
	newHandler := func() message.NoPublishHandlerFunc { // each as after a restart
		return quick(worker, watermillhook.WithRepublish(p, "sonzai"), watermillhook.WithMaxAttempts(4),
			watermillhook.WithBackoff(time.Minute, time.Hour),
			watermillhook.WithClock(func() time.Time { return time.Now().Add(time.Duration(later.Load())) }))
	}
	msg := queued(t, mood("evt_1"))
	ids := map[string]bool{msg.UUID: true}
	for attempt := range 3 {
		require.NoError(t, newHandler()(msg), "the broker has it")
		next := p.take(t)
		require.False(t, ids[next.UUID])
		ids[next.UUID] = true
		require.Equal(t, []byte(msg.Payload), []byte(next.Payload))
		require.Equal(t, msg.Metadata["sonzaihook-received-at"], next.Metadata["sonzaihook-received-at"])
		require.Equal(t, string(rune('1'+attempt)), next.Metadata["sonzaihook-attempt"])

		require.NoError(t, newHandler()(next)) // not due yet
		waiting := p.take(t)
		require.False(t, ids[waiting.UUID])
		ids[waiting.UUID] = true
		require.Equal(t, next.Metadata["sonzaihook-due"], waiting.Metadata["sonzaihook-due"])
		require.Equal(t, next.Metadata["sonzaihook-attempt"], waiting.Metadata["sonzaihook-attempt"])
		later.Add(int64(time.Hour))
		msg = waiting
	}
	require.Zero(t, worker.DeadLetters.Len())
	require.NoError(t, newHandler()(msg))
	require.Equal(t, 1, worker.DeadLetters.Len())
	require.Equal(t, p.taken, p.messages.Len())
}

func TestWhatCannotBePublishedAgainIsGivenBack(t *testing.T) {
	t.Parallel()
	worker := recorder.New(t, nil).HandleAll(errDown)
	handle := quick(worker, watermillhook.WithRepublish(&topic{err: errors.New("broker down")}, "sonzai"))
	require.ErrorIs(t, handle(queued(t, mood("evt_1"))), errDown)
}

func TestWhatNobodyKeptIsPublishedAgainAndNotAcknowledgedAway(t *testing.T) {
	t.Parallel()
	worker, p := recorder.New(t, nil).HandleAll(sonzaihook.Permanent(errDown)), &topic{}
	require.NoError(t, quick(worker, watermillhook.WithRepublish(p, "sonzai"))(queued(t, mood("evt_1"))))
	p.take(t)
}

// The whole way in one process: a front that only receives, a router with two
// workers on one store, copies, failures and a poison message among good ones.
func TestEveryDeliveryOfARouterRunsOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		republish bool
	}{{"given back", false}, {"published again", true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			broker := gochannel.NewGoChannel(gochannel.Config{OutputChannelBuffer: 1000, PreserveContext: true}, watermill.NopLogger{})
			store := sonzaihook.NewMemoryStore(1000)
			var good, poison recorder.List[string] // the ids of the events that ran
			var tried sync.Map                     // each event fails at first
			options := []watermillhook.Option{watermillhook.WithMaxAttempts(3), watermillhook.WithBackoff(time.Millisecond, time.Millisecond)}
			if c.republish {
				options = append(options, watermillhook.WithRepublish(broker, "sonzai"))
			}
			router, err := message.NewRouter(message.RouterConfig{CloseTimeout: time.Second}, watermill.NopLogger{})
			require.NoError(t, err)
			worker := recorder.New(t, nil, sonzaihook.WithStore(store))
			worker.KeepDeadLetters(nil)
			worker.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
				if e.ID == "evt_poison" {
					poison.Add(e.ID)
					return errDown
				}
				if _, again := tried.LoadOrStore(e.ID, true); !again {
					return errDown
				}
				good.Add(e.ID)
				return nil
			})
			router.AddConsumerHandler("worker", "sonzai", broker, quick(worker, options...))
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- router.Run(ctx) }()
			<-router.Running()

			front := recorder.New(t, nil, sonzaihook.WithHandOff(watermillhook.Publish(broker, "sonzai")))
			bodies := [][]byte{mood("evt_poison")}
			for i := range 30 {
				bodies = append(bodies, mood("evt_"+string(rune('A'+i))))
			}
			for range 2 { // each comes twice
				for _, body := range bodies {
					require.Equal(t, http.StatusAccepted, hooktest.Deliver(t, front, body).Code)
				}
			}
			good.Wait(t, 30)
			worker.DeadLetters.Wait(t, 2)
			stop()
			require.NoError(t, <-ended)
			require.Equal(t, 30, good.Len())
			require.GreaterOrEqual(t, poison.Len(), 3)
			for _, d := range worker.DeadLetters.All() {
				require.Contains(t, d.ID, "evt_poison")
			}
		})
	}
}
