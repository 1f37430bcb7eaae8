package watermillhook_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/watermillhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// topic is a publisher that keeps what it was given.
type topic struct {
	mu       sync.Mutex
	messages []*message.Message
	err      error
}

func (p *topic) Publish(_ string, messages ...*message.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	p.messages = append(p.messages, messages...)
	return nil
}

func (p *topic) Close() error { return nil }

// take returns the only message and empties the topic.
func (p *topic) take(t testing.TB) *message.Message {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Len(t, p.messages, 1)
	msg := p.messages[0]
	p.messages = nil
	return msg
}

func newReceiver(t testing.TB, options ...sonzaihook.Option) *sonzaihook.Receiver {
	t.Helper()
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret),
		append([]sonzaihook.Option{sonzaihook.WithLogger(slog.New(slog.DiscardHandler))}, options...)...)
	require.NoError(t, err)
	return hooks
}

func mood(id string) []byte {
	return fmt.Appendf(nil, `{"event_type":"agent.mood_change","event_id":%q,"agent_id":"agent_luna","data":{"label":"calm"}}`, id)
}

// queued returns the message of a delivery that was taken with 202.
func queued(t testing.TB, body []byte) *message.Message {
	t.Helper()
	var p topic
	front := newReceiver(t, sonzaihook.WithHandOff(watermillhook.Publish(&p, "sonzai")))
	require.Equal(t, http.StatusAccepted, hooktest.Deliver(t, front, body).Code)
	return p.take(t)
}

// quick makes a handler that waits hardly at all.
func quick(hooks *sonzaihook.Receiver, options ...watermillhook.Option) message.NoPublishHandlerFunc {
	return watermillhook.Handler(hooks, append([]watermillhook.Option{
		watermillhook.WithMaxWait(time.Millisecond), watermillhook.WithLogger(slog.New(slog.DiscardHandler)),
	}, options...)...)
}

// kept is a dead letter.
type kept struct {
	mu         sync.Mutex
	deliveries []*sonzaihook.Delivery
	reasons    []error
	err        error
}

func (k *kept) keep(_ context.Context, d *sonzaihook.Delivery, why error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return k.err
	}
	k.deliveries, k.reasons = append(k.deliveries, d), append(k.reasons, why)
	return nil
}

var errDown = errors.New("the callback's service is down")

func TestWhatTravelsIsTheDeliveryWithoutWhatAuthenticatedIt(t *testing.T) {
	t.Parallel()
	body := []byte("{ \"event_type\":\"on_mood_updated\",\n\"event_id\":\"evt_\\u0001\", \"data\":{\"label\":\"calm\"} }")
	var p topic
	front := newReceiver(t, sonzaihook.WithAuthorization("Bearer shared"),
		sonzaihook.WithHandOff(func(ctx context.Context, d *sonzaihook.Delivery) error {
			own := *d
			own.ID += "\x00\xff"
			own.Project, own.Trace = "proj_\xff", map[string]string{"traceparent": "00-a-b-01", "tracestate": "x=1,y=\xfe&z"}
			return watermillhook.Publish(&p, "sonzai")(ctx, &own)
		}))
	req := hooktest.NewRequest(t, body, hooktest.Authorization("Bearer shared"))
	at := time.Now()
	front.ServeHTTP(discard{http.Header{}}, req)
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

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) WriteHeader(int)             {}
func (d discard) Write(p []byte) (int, error) { return len(p), nil }

func TestABrokerThatIsDownIsAnswered503(t *testing.T) {
	t.Parallel()
	front := newReceiver(t, sonzaihook.WithHandOff(watermillhook.Publish(&topic{err: errors.New("no route to broker")}, "sonzai")))
	answer := hooktest.Deliver(t, front, mood("evt_1"))
	require.Equal(t, http.StatusServiceUnavailable, answer.Code)
	require.Contains(t, answer.Body.String(), sonzaihook.CodeQueueUnavailable)
}

func TestACopyIsRunOnceAndAcknowledged(t *testing.T) {
	t.Parallel()
	var runs atomic.Int64
	worker := newReceiver(t)
	worker.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
		runs.Add(1)
		require.Equal(t, "calm", e.Data.Label)
		require.Equal(t, sonzaihook.SourceBroker, e.Source)
		return nil
	})
	handle := quick(worker)
	first, second := queued(t, mood("evt_1")), queued(t, mood("evt_1"))
	require.Equal(t, first.UUID, second.UUID)
	require.NoError(t, handle(first))
	require.NoError(t, handle(second))
	require.EqualValues(t, 1, runs.Load())
}

func TestAFailureIsGivenBackUntilItsLastAttempt(t *testing.T) {
	t.Parallel()
	worker, dead, runs := newReceiver(t), &kept{}, 0
	worker.OnDeadLetter(dead.keep)
	worker.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { runs++; return errDown })
	handle, msg := quick(worker, watermillhook.WithMaxAttempts(3)), queued(t, mood("evt_1"))
	for range 2 {
		err := handle(msg)
		require.ErrorIs(t, err, errDown)
		require.NotContains(t, err.Error(), errDown.Error(), "a router logs it")
		require.Empty(t, dead.deliveries)
	}
	require.NoError(t, handle(msg))
	require.Equal(t, 3, runs)
	require.Len(t, dead.deliveries, 1)
	require.ErrorIs(t, dead.reasons[0], errDown)
	require.Equal(t, mood("evt_1"), dead.deliveries[0].Body)

	require.ErrorIs(t, handle(msg), errDown, "a new message begins anew")
}

func TestWhatIsGivenUpStaysWithTheBrokerUntilItIsKept(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		dead *kept
		run  error
		want error
	}{
		{"a failure without a dead letter", nil, errDown, sonzaihook.ErrNoDeadLetter},
		{"a failure that the dead letter does not keep", &kept{err: errors.New("disk full")}, errDown, nil},
		{"Permanent without a dead letter", nil, sonzaihook.Permanent(errDown), sonzaihook.ErrNoDeadLetter},
		{"Permanent that the dead letter does not keep", &kept{err: errors.New("disk full")}, sonzaihook.Permanent(errDown), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			worker := newReceiver(t)
			if c.dead != nil {
				worker.OnDeadLetter(c.dead.keep)
			}
			result := c.run
			worker.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { return result })
			handle, msg := quick(worker, watermillhook.WithMaxAttempts(1)), queued(t, mood("evt_1"))
			for range 3 {
				err := handle(msg)
				require.Error(t, err)
				if c.want != nil {
					require.ErrorIs(t, err, c.want)
				}
			}
			if c.dead != nil {
				c.dead.err = nil
				require.NoError(t, handle(msg))
				require.NotEmpty(t, c.dead.deliveries)
				return
			}
			result = nil
			require.NoError(t, handle(msg), "a new version of the callback takes it")
		})
	}
}

func TestWhatNoRetryMendsIsAcknowledgedWhenItWasKept(t *testing.T) {
	t.Parallel()
	worker, dead := newReceiver(t), &kept{}
	worker.OnDeadLetter(dead.keep)
	worker.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { return sonzaihook.Permanent(errDown) })
	handle := quick(worker)
	require.NoError(t, handle(queued(t, mood("evt_1"))))
	require.NotEmpty(t, dead.deliveries)
	require.ErrorIs(t, dead.reasons[0], errDown)

	require.NoError(t, handle(message.NewMessage("foreign", []byte(`[]`))))
	require.ErrorIs(t, dead.reasons[len(dead.reasons)-1], sonzaihook.ErrUndecodable)
}

func TestRetryAfterIsNoAttemptButAges(t *testing.T) {
	t.Parallel()
	worker, dead := newReceiver(t), &kept{}
	worker.OnDeadLetter(dead.keep)
	worker.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
		return sonzaihook.RetryAfter(errDown, time.Second)
	})
	later := atomic.Int64{}
	handle := quick(worker, watermillhook.WithMaxAttempts(2),
		watermillhook.WithClock(func() time.Time { return time.Now().Add(time.Duration(later.Load())) }))
	msg := queued(t, mood("evt_1"))
	for range 5 {
		require.ErrorIs(t, handle(msg), errDown)
	}
	require.Empty(t, dead.deliveries)
	later.Store(int64(73 * time.Hour))
	require.NoError(t, handle(msg))
	require.Len(t, dead.deliveries, 1)
}

func TestADeliveryThatCannotRunNowIsGivenBackAndNeverDeadLettered(t *testing.T) {
	t.Parallel()
	old := watermillhook.WithClock(func() time.Time { return time.Now().Add(1000 * time.Hour) })
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		name string
		when func(t *testing.T, worker *sonzaihook.Receiver, msg *message.Message)
		want error
	}{
		{"the receiver shuts down", func(t *testing.T, worker *sonzaihook.Receiver, _ *message.Message) {
			require.NoError(t, worker.Shutdown(t.Context()))
		}, sonzaihook.ErrShuttingDown},
		{"the message's context has ended", func(_ *testing.T, _ *sonzaihook.Receiver, msg *message.Message) {
			msg.SetContext(cancelled)
		}, context.Canceled},
		{"the callback's context has ended", func(_ *testing.T, worker *sonzaihook.Receiver, _ *message.Message) {
			worker.Use(func(sonzaihook.Handler) sonzaihook.Handler {
				return func(context.Context, *sonzaihook.Delivery) error { return fmt.Errorf("query: %w", context.Canceled) }
			})
		}, context.Canceled},
		{"the format is newer", func(_ *testing.T, _ *sonzaihook.Receiver, msg *message.Message) {
			msg.Metadata["sonzaihook-format"] = "2"
		}, watermillhook.ErrNewerFormat},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			worker, dead := newReceiver(t), &kept{}
			worker.OnDeadLetter(dead.keep)
			worker.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { return nil })
			msg := queued(t, mood("evt_1"))
			c.when(t, worker, msg)
			handle := quick(worker, watermillhook.WithMaxAttempts(1), old)
			for range 3 {
				require.ErrorIs(t, handle(msg), c.want)
			}
			require.Empty(t, dead.deliveries)
		})
	}
}

func TestACopyOfWhatRunsIsGivenBack(t *testing.T) {
	t.Parallel()
	worker, started, finish := newReceiver(t), make(chan struct{}), make(chan struct{})
	worker.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
		close(started)
		<-finish
		return nil
	})
	handle, done := quick(worker), make(chan error)
	go func() { done <- handle(queued(t, mood("evt_1"))) }()
	<-started
	require.ErrorIs(t, handle(queued(t, mood("evt_1"))), sonzaihook.ErrInFlight)
	close(finish)
	require.NoError(t, <-done)
}

// A rolling deploy: the front and one worker know a type that another worker does
// not.
func TestAWorkerWithoutACallbackForATypeGivesItBack(t *testing.T) {
	t.Parallel()
	store := sonzaihook.NewMemoryStore(10)
	old, next := newReceiver(t, sonzaihook.WithStore(store)), newReceiver(t, sonzaihook.WithStore(store))
	old.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error { return nil })
	ran := 0
	next.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { ran++; return nil })
	msg := queued(t, mood("evt_1"))
	for range 3 {
		require.ErrorContains(t, quick(old)(msg), "no callback")
	}
	require.NoError(t, quick(next)(msg))
	require.Equal(t, 1, ran)

	ignoring := newReceiver(t)
	ignoring.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { return sonzaihook.Ignore("not ours") })
	require.NoError(t, quick(ignoring)(msg), "Ignore is a decision")
}

func TestMetadataThatCannotBeReadGoesToTheDeadLetter(t *testing.T) {
	t.Parallel()
	for key, value := range map[string]string{
		"sonzaihook-id": "not base64!", "sonzaihook-due": "soon", "sonzaihook-trace": "%zz", "sonzaihook-format": "one",
	} {
		worker, dead := newReceiver(t), &kept{}
		worker.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { return nil })
		msg := queued(t, mood("evt_1"))
		msg.Metadata[key] = value
		require.ErrorIs(t, quick(worker)(msg), sonzaihook.ErrNoDeadLetter, key)
		worker.OnDeadLetter(dead.keep)
		require.NoError(t, quick(worker)(msg), key)
		require.ErrorIs(t, dead.reasons[0], watermillhook.ErrMalformed, key)
		require.Equal(t, mood("evt_1"), dead.deliveries[0].Body)
	}
}

func TestAMessageOfSomebodyElseIsADeliveryOfItsBody(t *testing.T) {
	t.Parallel()
	worker, ran := newReceiver(t), 0
	worker.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { ran++; return nil })
	require.NoError(t, quick(worker)(message.NewMessage("1", mood("evt_1"))))
	require.NoError(t, quick(worker)(message.NewMessage("2", mood("evt_1"))))
	require.Equal(t, 1, ran)
}

// A receiver that hands off must not do so with what its own worker dispatches,
// also where the worker forgets to say where it has it from.
func TestAWorkerThatForgetsTheSourceLosesNothing(t *testing.T) {
	t.Parallel()
	var p topic
	both, ran := newReceiver(t, sonzaihook.WithHandOff(watermillhook.Publish(&p, "sonzai"))), 0
	both.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { ran++; return nil })
	require.Equal(t, http.StatusAccepted, hooktest.Deliver(t, both, mood("evt_1")).Code)
	d, err := watermillhook.Delivery(p.take(t))
	require.NoError(t, err)
	d.Source = ""
	require.Equal(t, sonzaihook.CodeProcessed, both.Dispatch(t.Context(), d).Code)
	require.Equal(t, 1, ran)
	require.Empty(t, p.messages)
}

func TestAMessageIsHeldUpForAWhileAndNoLonger(t *testing.T) {
	t.Parallel()
	worker := newReceiver(t)
	worker.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
		return sonzaihook.RetryAfter(errDown, time.Hour)
	})
	handle := quick(worker, watermillhook.WithMaxWait(100*time.Millisecond))
	began := time.Now()
	require.Error(t, handle(queued(t, mood("evt_1"))))
	took := time.Since(began)
	require.GreaterOrEqual(t, took, 100*time.Millisecond)
	require.Less(t, took, 10*time.Second)

	msg := queued(t, mood("evt_2"))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	msg.SetContext(ctx)
	began = time.Now()
	require.Error(t, quick(worker, watermillhook.WithMaxWait(time.Hour))(msg))
	require.Less(t, time.Since(began), 10*time.Second, "the end of the context ends the wait")
}

func TestImpossibleOptionsPanic(t *testing.T) {
	t.Parallel()
	hooks := newReceiver(t)
	for name, call := range map[string]func(){
		"a nil receiver":      func() { watermillhook.Handler(nil) },
		"a nil option":        func() { watermillhook.Handler(hooks, nil) },
		"no attempts":         func() { watermillhook.Handler(hooks, watermillhook.WithMaxAttempts(0)) },
		"no age":              func() { watermillhook.Handler(hooks, watermillhook.WithMaxAge(0)) },
		"no wait":             func() { watermillhook.Handler(hooks, watermillhook.WithMaxWait(0)) },
		"a backoff backwards": func() { watermillhook.Handler(hooks, watermillhook.WithBackoff(2, 1)) },
		"no republisher":      func() { watermillhook.Handler(hooks, watermillhook.WithRepublish(nil, "x")) },
		"a nil logger":        func() { watermillhook.Handler(hooks, watermillhook.WithLogger(nil)) },
		"a nil clock":         func() { watermillhook.Handler(hooks, watermillhook.WithClock(nil)) },
		"a nil publisher":     func() { watermillhook.Publish(nil, "x") },
		"no topic":            func() { watermillhook.Publish(&topic{}, "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				err, ok := recover().(error)
				require.True(t, ok)
				require.ErrorIs(t, err, sonzaihook.ErrInvalidOption)
			}()
			call()
		})
	}
}
