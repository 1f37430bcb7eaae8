package otelhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
)

func traceID(span trace.ReadOnlySpan) api.TraceID { return span.SpanContext().TraceID() }

// links returns the span ids that a span links to.
func links(span trace.ReadOnlySpan) (ids []api.SpanID) {
	for _, link := range span.Links() {
		ids = append(ids, link.SpanContext.SpanID())
	}
	return ids
}

func TestACallbackRunsInAConsumerSpanUnderTheServers(t *testing.T) {
	t.Parallel()
	s := newSeen(t)
	hooks := s.receiver(func(ctx context.Context, _ *sonzaihook.MoodChangeEvent) error {
		_, span := s.tracers.Tracer("app").Start(ctx, "save mood")
		span.End()
		return nil
	})
	server := s.served(hooks, mood("evt_1"))
	process, app := s.only("process agent.mood_change"), s.only("save mood")

	require.Equal(t, server.SpanContext().SpanID(), process.Parent().SpanID())
	require.Equal(t, process.SpanContext().SpanID(), app.Parent().SpanID())
	require.Equal(t, traceID(server), traceID(app), "one trace")
	require.Equal(t, api.SpanKindConsumer, process.SpanKind())
	require.Empty(t, process.Links())
	require.Equal(t, codes.Unset, process.Status().Code)
	for key, want := range map[string]string{
		"messaging.system": "sonzai", "messaging.operation.type": "process", "messaging.operation.name": "process",
		"cloudevents.event_type": "agent.mood_change", "sonzaihook.source": "webhook", "error.type": "",
	} {
		require.Equal(t, want, value(process, key), key)
	}
	require.Contains(t, value(process, "messaging.message.id"), "evt_1")
	require.Equal(t, "processed", value(server, "sonzaihook.code"))
}

func TestADeliveryThatDoesNotRunHasItsOutcomeOnTheServersSpan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		body         []byte
		options      []hooktest.Option
		code, reason string
		failed       string
	}{
		{"a duplicate", mood("evt_1"), nil, "duplicate", "", ""},
		{"one without a signature", mood("evt_2"), []hooktest.Option{hooktest.Unsigned()}, "unauthorized", "missing", "unauthorized"},
		{"one with another signature", mood("evt_2"), []hooktest.Option{hooktest.Tampered()}, "unauthorized", "mismatch", "unauthorized"},
		{"an old one", mood("evt_2"), []hooktest.Option{hooktest.Stale()}, "unauthorized", "stale", "unauthorized"},
		{"one that is no object", []byte(`[]`), nil, "undecodable", "undecodable", "undecodable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSeen(t)
			hooks := s.receiver(accept)
			require.Equal(t, http.StatusOK, hooktest.Deliver(t, hooks, mood("evt_1")).Code)
			before := len(s.spans.Ended())
			server := s.served(hooks, c.body, c.options...)
			require.Len(t, s.spans.Ended(), before+1, "only the server's")
			require.Equal(t, c.code, value(server, "sonzaihook.code"))
			require.Equal(t, c.reason, value(server, "sonzaihook.reason"))
			require.Equal(t, c.failed, value(server, "error.type"))
		})
	}
}

func TestWithoutAServersSpanARefusalGetsOneAfterTheFact(t *testing.T) {
	t.Parallel()
	s := newSeen(t)
	hooks := s.receiver(accept)
	hooktest.Deliver(t, hooks, mood("evt_1"), hooktest.Repeated())
	hooktest.Deliver(t, hooks, mood("evt_1"), hooktest.Unsigned())

	require.False(t, s.only("process agent.mood_change").Parent().IsValid())
	duplicate, refused := s.only("receive agent.mood_change"), s.only("receive")
	require.Equal(t, "duplicate", value(duplicate, "sonzaihook.code"))
	require.Equal(t, codes.Unset, duplicate.Status().Code)
	require.Equal(t, codes.Error, refused.Status().Code)
	require.Equal(t, "missing", value(refused, "sonzaihook.reason"))
	require.Positive(t, duplicate.EndTime().Sub(duplicate.StartTime()))
}

// custom does not fit what mood sends.
type custom struct {
	Label int `json:"label"`
}

func TestEveryDeliveryWithoutAServersSpanHasOneSpan(t *testing.T) {
	t.Parallel()
	returns := func(err error) func(*sonzaihook.Receiver) {
		return func(hooks *sonzaihook.Receiver) {
			hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { return err })
		}
	}
	misfit := func(hooks *sonzaihook.Receiver) {
		sonzaihook.On(hooks, sonzaihook.EventMoodChange, func(context.Context, *sonzaihook.Event[custom]) error { return nil })
	}
	plain := sonzaihook.WithHandOff(func(context.Context, *sonzaihook.Delivery) error { return nil })
	broken := sonzaihook.WithIdentity(func(*sonzaihook.Delivery) string { panic("no identity") })
	for _, c := range []struct {
		name     string
		register func(*sonzaihook.Receiver)
		options  []sonzaihook.Option
		code     string
		span     string
		outside  error // what middleware outside of telemetry returns
	}{
		{"a callback ran", returns(nil), nil, "processed", "process agent.mood_change", nil},
		{"a callback ignored it", returns(sonzaihook.Ignore("known")), nil, "ignored", "process agent.mood_change", nil},
		{"a callback queued it", returns(sonzaihook.Queued()), nil, "queued", "process agent.mood_change", nil},
		{"a callback put it off", returns(sonzaihook.RetryAfter(nil, time.Second)), nil, "retry_later", "process agent.mood_change", nil},
		{"a callback refused it", returns(sonzaihook.Permanent(nil)), nil, "rejected", "process agent.mood_change", nil},
		{"a callback failed", returns(errors.New("no")), nil, "failed", "process agent.mood_change", nil},
		{"no callback", func(*sonzaihook.Receiver) {}, nil, "ignored", "receive agent.mood_change", nil},
		{"a struct does not fit", misfit, nil, "failed", "receive agent.mood_change", nil},
		{"a struct does not fit, and a dead letter kept it", func(hooks *sonzaihook.Receiver) {
			misfit(hooks)
			hooks.OnDeadLetter(func(context.Context, *sonzaihook.Delivery, error) error { return nil })
		}, nil, "rejected", "receive agent.mood_change", nil},
		{"the identity panics", returns(nil), []sonzaihook.Option{broken}, "panicked", "receive agent.mood_change", nil},
		{"handed off without telemetry", returns(nil), []sonzaihook.Option{plain}, "queued", "receive agent.mood_change", nil},
		{"middleware outside of telemetry answers", returns(nil), nil, "failed", "receive agent.mood_change", errors.New("no")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSeen(t)
			hooks := newReceiver(t, append(s.Options(), c.options...)...)
			if c.outside != nil {
				hooks.Use(func(sonzaihook.Handler) sonzaihook.Handler {
					return func(context.Context, *sonzaihook.Delivery) error { return c.outside }
				})
			}
			s.Attach(hooks)
			c.register(hooks)
			for n := range 3 { // what one leaves behind must not hide the next
				out := hooks.Dispatch(t.Context(), &sonzaihook.Delivery{Source: sonzaihook.SourceWebhook, Body: mood(fmt.Sprint("evt_", n))})
				require.Equal(t, c.code, out.Code)
			}
			require.Len(t, s.named(c.span), 3)
			require.Len(t, s.spans.Ended(), 3)
			if strings.HasPrefix(c.span, "receive") {
				require.Equal(t, c.code, value(s.named(c.span)[0], "sonzaihook.code"))
			}
		})
	}
}

func TestWithoutAttachADeliveryThatRanIsInATraceToo(t *testing.T) {
	t.Parallel()
	s := newSeen(t)
	hooks := newReceiver(t, s.Options()...)
	hooks.OnMoodChange(accept)
	hooktest.Deliver(t, hooks, mood("evt_1"))
	require.Equal(t, "processed", value(s.only("receive agent.mood_change"), "sonzaihook.code"))
	require.Equal(t, "processed", value(s.served(hooks, mood("evt_2")), "sonzaihook.code"))
	require.Len(t, s.spans.Ended(), 2)
}

func TestACopyThatComesWhileTheFirstRunsHasItsSpanAndTakesNoOthers(t *testing.T) {
	t.Parallel()
	s := newSeen(t)
	started, finish, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	hooks := s.receiver(func(context.Context, *sonzaihook.MoodChangeEvent) error {
		close(started)
		<-finish
		return nil
	})
	d := &sonzaihook.Delivery{Source: sonzaihook.SourceWebhook, Body: mood("evt_1")}
	go func() {
		defer close(done)
		hooks.Dispatch(context.Background(), d)
	}()
	<-started
	require.Equal(t, sonzaihook.CodeInFlight, hooks.Dispatch(t.Context(), d).Code)
	require.Equal(t, "in_flight", value(s.only("receive agent.mood_change"), "sonzaihook.code"))
	close(finish)
	<-done
	s.only("process agent.mood_change")
	require.Len(t, s.spans.Ended(), 2)
}

func TestWhatFailsIsMarkedWithoutItsText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		run    func(context.Context) error
		failed string
	}{
		{"an error", func(context.Context) error { return errors.New("quotes a body") }, "failed"},
		{"a panic", func(context.Context) error { panic("quotes a body") }, "panicked"},
		{"a timeout", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, "timeout"},
		{"Permanent", func(context.Context) error { return sonzaihook.Permanent(errors.New("quotes a body")) }, "failed"},
		{"Ignore", func(context.Context) error { return sonzaihook.Ignore("known") }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSeen(t)
			hooks := s.receiver(func(ctx context.Context, _ *sonzaihook.MoodChangeEvent) error { return c.run(ctx) },
				sonzaihook.WithHandlerTimeout(50*time.Millisecond))
			s.served(hooks, mood("evt_1"))
			span := s.only("process agent.mood_change")
			require.Equal(t, c.failed, value(span, "error.type"))
			require.Equal(t, c.failed, span.Status().Description)
			require.Equal(t, c.failed != "", span.Status().Code == codes.Error)
			require.Empty(t, span.Events())
			require.Zero(t, s.metrics()["sonzaihook.delivery.in_flight{}"])
		})
	}
}

// claim is the trace context that a sender claims.
const claim = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

var claimedSpan = api.SpanID{0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31}

func TestWhatASenderClaimsIsLinkedAndNeverAParent(t *testing.T) {
	t.Parallel()
	s := newSeen(t)
	hooks := s.receiver(accept)
	// Instrumentation that trusts the request, as otelgin does.
	trusting := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		ctx := propagation.TraceContext{}.Extract(req.Context(), propagation.HeaderCarrier(req.Header))
		ctx, span := s.tracers.Tracer("server").Start(ctx, "POST")
		defer span.End()
		hooks.ServeHTTP(w, req.WithContext(ctx))
	})
	req := hooktest.NewRequest(t, mood("evt_1"))
	req.Header.Set("traceparent", claim)
	s.PublicEndpoint(trusting).ServeHTTP(&recorder.Answer{}, req)

	server, process := s.only("POST"), s.only("process agent.mood_change")
	require.False(t, server.Parent().IsValid(), "the server's span is a root")
	require.Equal(t, server.SpanContext().SpanID(), process.Parent().SpanID())
	require.Equal(t, []api.SpanID{claimedSpan}, links(process))
	require.Equal(t, claim, req.Header.Get("traceparent"), "the caller's request is as it was")
}

func TestARemoteSpanInTheContextIsLinkedAndNeverAParent(t *testing.T) {
	t.Parallel()
	s := newSeen(t)
	hooks := s.receiver(accept)
	req := hooktest.NewRequest(t, mood("evt_1"))
	req.Header.Set("traceparent", claim)
	ctx := propagation.TraceContext{}.Extract(t.Context(), propagation.HeaderCarrier(req.Header))
	hooks.ServeHTTP(&recorder.Answer{}, req.WithContext(ctx))
	hooks.ServeHTTP(&recorder.Answer{}, hooktest.NewRequest(t, mood("evt_1")).WithContext(ctx))

	for _, name := range []string{"process agent.mood_change", "receive agent.mood_change"} {
		span := s.only(name)
		require.False(t, span.Parent().IsValid(), name)
		require.NotEqual(t, "0af7651916cd43dd8448eb211c80319c", traceID(span).String(), name)
		require.Equal(t, []api.SpanID{claimedSpan}, links(span), name)
	}
}

func TestAPollAndAReplayAreLinkedFromATraceOfEachDelivery(t *testing.T) {
	t.Parallel()
	for _, source := range []sonzaihook.Source{sonzaihook.SourcePoll, sonzaihook.SourceReplay} {
		t.Run(string(source), func(t *testing.T) {
			t.Parallel()
			s := newSeen(t)
			hooks := s.receiver(accept)
			ctx, poll := s.tracers.Tracer("app").Start(t.Context(), "fetch")
			for range 2 { // the second is a duplicate
				hooks.Dispatch(ctx, &sonzaihook.Delivery{Source: source, Body: mood("evt_1")})
			}
			poll.End()
			for _, name := range []string{"process agent.mood_change", "receive agent.mood_change"} {
				span := s.only(name)
				require.NotEqual(t, poll.SpanContext().TraceID(), traceID(span))
				require.Equal(t, []api.SpanID{poll.SpanContext().SpanID()}, links(span))
			}
			require.Empty(t, value(s.only("fetch"), "sonzaihook.code"), "a fetch has many outcomes")
		})
	}
}

func TestATraceGoesOnBehindAQueueByALink(t *testing.T) {
	t.Parallel()
	s := newSeen(t)
	var queued []*sonzaihook.Delivery
	enqueue := s.HandOff(func(_ context.Context, d *sonzaihook.Delivery) error {
		queued = append(queued, d)
		return nil
	})
	front := s.receiver(accept, sonzaihook.WithHandOff(enqueue))
	server := s.served(front, mood("evt_1"))
	send := s.only("send agent.mood_change")
	require.Equal(t, api.SpanKindProducer, send.SpanKind())
	require.Equal(t, server.SpanContext().SpanID(), send.Parent().SpanID())
	require.Equal(t, "queued", value(server, "sonzaihook.code"))
	require.Empty(t, s.named("process agent.mood_change"))
	require.Len(t, queued, 1)
	require.Contains(t, queued[0].Trace["traceparent"], send.SpanContext().SpanID().String())

	worker := s.receiver(accept)
	d := queued[0]
	out := worker.Dispatch(t.Context(), &sonzaihook.Delivery{
		ID: d.ID, Type: d.Type, Name: d.Name, Source: sonzaihook.SourceBroker, Body: d.Body, Trace: d.Trace,
	})
	require.Equal(t, sonzaihook.CodeProcessed, out.Code)
	process := s.only("process agent.mood_change")
	require.NotEqual(t, traceID(send), traceID(process))
	require.Equal(t, []api.SpanID{send.SpanContext().SpanID()}, links(process))
	require.Equal(t, "broker", value(process, "sonzaihook.source"))
}

func TestAHandOffThatFailsIsAnErrorOfItsSpan(t *testing.T) {
	t.Parallel()
	s := newSeen(t)
	hooks := s.receiver(accept, sonzaihook.WithHandOff(s.HandOff(func(context.Context, *sonzaihook.Delivery) error {
		return errors.New("quotes a body")
	})))
	server := s.served(hooks, mood("evt_1"))
	send := s.only("send agent.mood_change")
	require.Equal(t, codes.Error, send.Status().Code)
	require.Equal(t, "queue_unavailable", value(send, "error.type"))
	require.Equal(t, "queue_unavailable", value(server, "error.type"))
	require.EqualValues(t, 1, s.metrics()["sonzaihook.queue.enqueue.duration{result=error}"])
}
