package watermillhook_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/watermillhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
)

// topic is a publisher that keeps what it was given, or fails with err.
type topic struct {
	messages recorder.List[*message.Message]
	taken    int
	err      error
}

func (p *topic) Publish(_ string, messages ...*message.Message) error {
	if p.err != nil {
		return p.err
	}
	for _, msg := range messages {
		p.messages.Add(msg)
	}
	return nil
}

func (p *topic) Close() error { return nil }

// take returns the one message that was published since the last take.
func (p *topic) take(t testing.TB) *message.Message {
	t.Helper()
	all := p.messages.All()
	require.Len(t, all, p.taken+1)
	p.taken++
	return all[p.taken-1]
}

func mood(id string) []byte {
	return fmt.Appendf(nil, `{"event_type":"agent.mood_change","event_id":%q,"agent_id":"agent_luna","data":{"label":"calm"}}`, id)
}

// queued returns the message of a delivery that was taken with 202.
func queued(t testing.TB, body []byte) *message.Message {
	t.Helper()
	var p topic
	front := recorder.New(t, nil, sonzaihook.WithHandOff(watermillhook.Publish(&p, "sonzai")))
	require.Equal(t, http.StatusAccepted, hooktest.Deliver(t, front, body).Code)
	return p.take(t)
}

// quick makes a handler that waits hardly at all.
func quick(hooks *recorder.Receiver, options ...watermillhook.Option) message.NoPublishHandlerFunc {
	return watermillhook.Handler(hooks.Receiver, append([]watermillhook.Option{
		watermillhook.WithMaxWait(time.Millisecond), watermillhook.WithLogger(slog.New(slog.DiscardHandler)),
	}, options...)...)
}

var (
	errDown = errors.New("the callback's service is down")
	errFull = errors.New("disk full")
)
