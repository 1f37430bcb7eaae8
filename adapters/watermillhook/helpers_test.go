package watermillhook_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
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
