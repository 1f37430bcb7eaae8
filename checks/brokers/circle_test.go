//go:build unix

package brokers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/watermillhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

const topic = "sonzai"

// broker is a server and how to talk to it.
type broker struct {
	publisher  func() (message.Publisher, error)
	subscriber func() (message.Subscriber, error)
	kill       func() // nil: it is not killed
	restart    func()
}

// crash kills the broker and starts it again a little later. The channel is closed
// when it is back.
func (b broker) crash(c *circle) (restarted chan struct{}) {
	c.t.Helper()
	restarted = make(chan struct{})
	if b.kill == nil {
		close(restarted)
		return restarted
	}
	c.t.Log("the broker is killed and started again")
	b.kill()
	answer := hooktest.Deliver(c.t, c.front, body("evt_lost"))
	require.Equal(c.t, http.StatusServiceUnavailable, answer.Code, "nothing is taken that nobody keeps")
	go func() {
		defer close(restarted)
		time.Sleep(300 * time.Millisecond)
		b.restart()
	}()
	return restarted
}

// circle is a front, a broker and workers that share a store. mu guards what the
// callbacks note.
type circle struct {
	t     *testing.T
	front *sonzaihook.Receiver
	hooks *sonzaihook.Receiver

	mu      sync.Mutex
	running map[string]int
	done    map[string]int
	tried   map[string]int
	bodies  map[string][]byte
	dead    map[string]int
	beside  int // runs of an event beside another of the same
}

var errDown = errors.New("the callback's service is down")

func newCircle(t *testing.T, publisher message.Publisher) *circle {
	t.Helper()
	c := &circle{
		t: t, running: map[string]int{}, done: map[string]int{}, tried: map[string]int{},
		bodies: map[string][]byte{}, dead: map[string]int{},
	}
	c.front = c.receiver(sonzaihook.WithHandOff(watermillhook.Publish(publisher, topic)))
	c.hooks = c.receiver()
	c.hooks.OnMoodChange(c.run)
	c.hooks.OnDeadLetter(func(_ context.Context, d *sonzaihook.Delivery, _ error) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.dead[string(d.Body)]++
		return nil
	})
	return c
}

func (c *circle) receiver(options ...sonzaihook.Option) *sonzaihook.Receiver {
	c.t.Helper()
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret),
		append(options, sonzaihook.WithLogger(slog.New(slog.DiscardHandler)))...)
	require.NoError(c.t, err)
	return hooks
}

// run fails at first for every third event, and always for the poison.
func (c *circle) run(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
	c.mu.Lock()
	if c.running[e.ID]++; c.running[e.ID] > 1 {
		c.beside++
	}
	c.tried[e.ID]++
	first, n := c.tried[e.ID] == 1, len(c.tried)
	c.mu.Unlock()
	time.Sleep(time.Millisecond)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running[e.ID]--
	if e.ID == "evt_poison" || (first && n%3 == 0) {
		return errDown
	}
	c.done[e.ID]++
	c.bodies[e.ID] = e.Raw
	return nil
}

func body(id string) []byte {
	name, _ := json.Marshal(id)
	return fmt.Appendf(nil, "{ \"event_type\":\"agent.mood_change\",\n\t\"event_id\":%s, \"data\":{\"label\":\"h\\u00e9\"} }", name)
}

// deliver sends one delivery until it is taken, as a patient platform would, and
// returns how often it was put off.
func (c *circle) deliver(body []byte) (putOff int) {
	c.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		answer := hooktest.Deliver(c.t, c.front, body)
		switch answer.Code {
		case http.StatusAccepted:
			return putOff
		case http.StatusServiceUnavailable:
			putOff++
		default:
			require.FailNow(c.t, "answered", "%d %s", answer.Code, answer.Body)
		}
		require.True(c.t, time.Now().Before(deadline), "the broker never came back")
		time.Sleep(100 * time.Millisecond)
	}
}

// work runs a router until the test ends or stop is called. A router whose broker
// went away for good is started anew, as a supervisor would.
func (c *circle) work(b broker, options ...watermillhook.Option) (stop func()) {
	options = append([]watermillhook.Option{
		watermillhook.WithMaxWait(20 * time.Millisecond), watermillhook.WithBackoff(time.Millisecond, 20*time.Millisecond),
		watermillhook.WithLogger(slog.New(slog.DiscardHandler)),
	}, options...)
	handle := watermillhook.Handler(c.hooks, options...)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			_ = route(ctx, b, handle)
			time.Sleep(100 * time.Millisecond)
		}
	}()
	stop = func() {
		cancel()
		<-ended
	}
	c.t.Cleanup(stop)
	return stop
}

func route(ctx context.Context, b broker, handle message.NoPublishHandlerFunc) error {
	subscriber, err := b.subscriber()
	if err != nil {
		return err
	}
	defer closeSoon(subscriber)
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: 5 * time.Second}, watermill.NopLogger{})
	if err != nil {
		return err
	}
	router.AddConsumerHandler("sonzai", topic, subscriber, handle)
	return router.Run(ctx)
}

// closeSoon closes a client, but does not wait long for it: the one of RabbitMQ hangs
// in Close for ever when it has lost its connection once.
func closeSoon(c io.Closer) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Close()
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
	}
}

// settled waits until each of the events has run, and checks that each ran to its
// end once and never beside itself, with the bytes that were signed.
func (c *circle) settled(ids []string) {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, id := range ids {
			if c.done[id] == 0 {
				return false
			}
		}
		return true
	}, 90*time.Second, 20*time.Millisecond, "what was answered 202 has not run: %v", c.missing(ids))
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Zero(c.t, c.beside, "two runs of one event at a time")
	for _, id := range ids {
		require.Equal(c.t, 1, c.done[id], id)
		require.True(c.t, bytes.Equal(body(id), c.bodies[id]), id)
	}
}

func (c *circle) missing(ids []string) (missing []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		if c.done[id] == 0 {
			missing = append(missing, id)
		}
	}
	return missing
}

// runCircle is what must hold with every broker.
func runCircle(t *testing.T, b broker, options ...watermillhook.Option) {
	t.Helper()
	publisher, err := b.publisher()
	require.NoError(t, err)
	t.Cleanup(func() { closeSoon(publisher) })
	c := newCircle(t, publisher)
	options = append(options, watermillhook.WithMaxAttempts(3))

	stop := c.work(b, options...)
	const events = 60
	var ids []string
	deliver := func(from, to int) (putOff int) {
		for i := from; i < to; i++ {
			id := fmt.Sprintf("evt_%03d_\x00é", i)
			ids = append(ids, id)
			putOff += c.deliver(body(id))
			c.deliver(body(id)) // a copy
		}
		return putOff
	}
	deliver(0, events/3)
	c.deliver(body("evt_poison"))

	restarted := b.crash(c)
	deliver(events/3, 2*events/3)
	<-restarted

	t.Log("the worker is stopped, and another one goes on")
	stop()
	deliver(2*events/3, events)
	c.work(b, options...)
	c.settled(ids)
	require.Eventually(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.dead[string(body("evt_poison"))] > 0
	}, 60*time.Second, 20*time.Millisecond, "the poison was given up")
	require.Len(t, c.dead, 1, "and nothing else")
}
