package otelhook

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/sonzaihook/sonzaihook"
)

// process is middleware that runs the callbacks of a delivery in a span.
func (t *Telemetry) process(next sonzaihook.Handler) sonzaihook.Handler {
	return func(ctx context.Context, d *sonzaihook.Delivery) error {
		began := time.Now()
		t.running.Add(1)
		ctx, span := t.begin(ctx, t.labels.begin(processing, d.Type), d)
		failure := sonzaihook.CodePanicked // stays if next panics or ends its goroutine
		defer func() {
			t.running.Add(-1)
			t.instruments.process.Record(ctx, time.Since(began).Seconds(), t.labels.failed(failure)...)
			end(span, failure)
		}()
		err := next(ctx, d)
		failure = failureOf(ctx, err)
		return err
	}
}

// failureOf returns the error.type for what the callbacks returned. The text of an
// error may quote a body, so it is never used.
func failureOf(ctx context.Context, err error) string {
	switch {
	case sonzaihook.Settles(err):
		return ""
	case errors.Is(context.Cause(ctx), sonzaihook.ErrHandlerTimeout):
		return "timeout"
	case errors.Is(context.Cause(ctx), sonzaihook.ErrLeaseLost):
		return "lease_lost"
	}
	return sonzaihook.CodeFailed
}

func end(span trace.Span, failure string, options ...trace.SpanEndOption) {
	if failure != "" && span.IsRecording() {
		span.SetAttributes(errorTypeKey.String(failure))
		span.SetStatus(codes.Error, failure)
	}
	span.End(options...)
}

// begin starts a span about a delivery. Whatever the delivery or its sender says of
// a trace is a link; the parent is a span of this process alone.
func (t *Telemetry) begin(ctx context.Context, how *beginning, d *sonzaihook.Delivery, more ...trace.SpanStartOption) (context.Context, trace.Span) {
	options, current := how.options, trace.SpanFromContext(ctx)
	// The context of a run is slow to look into, and what follows looks for the span
	// several times.
	ctx = trace.ContextWithSpan(ctx, current)
	if how.runs && !bearsOutcome(current.SpanContext(), d.Source) {
		t.begun.add(d.ID)
	}
	links, root := t.links(ctx, d)
	if len(links)+len(more) > 0 {
		options = slices.Concat(options, more)
		if root {
			options = append(options, trace.WithNewRoot())
		}
		options = append(options, trace.WithLinks(links...))
	}
	ctx, span := t.tracer.Start(ctx, how.name, options...)
	if span.IsRecording() {
		span.SetAttributes(eventTypeKey.String(string(d.Type)), sourceKey.String(sourceLabel(d.Source)))
		if d.ID != "" {
			span.SetAttributes(messageIDKey.String(d.ID))
		}
	}
	return ctx, span
}

// links returns what a span about a delivery links to, and whether it begins a
// separate trace although there is a span in the context.
func (t *Telemetry) links(ctx context.Context, d *sonzaihook.Delivery) (links []trace.Link, root bool) {
	current := trace.SpanContextFromContext(ctx)
	// A remote span in the context is what the sender claims.
	if current.IsValid() && (fetched(d.Source) || current.IsRemote()) {
		links, root = append(links, trace.Link{SpanContext: current}), true
	}
	if t.public.Load() {
		if claimed, ok := ctx.Value(claimedKey{}).(trace.SpanContext); ok {
			links = append(links, trace.Link{SpanContext: claimed})
		}
	}
	if len(d.Trace) > 0 {
		carried := t.extract(propagation.MapCarrier(d.Trace))
		if carried.IsValid() {
			links = append(links, trace.Link{SpanContext: carried})
		}
	}
	return links, root
}

// fetched reports whether one call brings many deliveries, which would make one
// huge trace, and leave one span for all their outcomes.
func fetched(source sonzaihook.Source) bool {
	return source == sonzaihook.SourcePoll || source == sonzaihook.SourceReplay
}

func (t *Telemetry) extract(from propagation.TextMapCarrier) trace.SpanContext {
	return trace.SpanContextFromContext(t.propagator.Extract(context.Background(), from))
}

// HandOff wraps a function for sonzaihook.WithHandOff: the hand-off is a span of
// kind producer, its trace context travels in Delivery.Trace, and the span of the
// worker links to it. The delivery that enqueue is given is a copy. HandOff(nil) is
// nil.
func (t *Telemetry) HandOff(enqueue func(context.Context, *sonzaihook.Delivery) error) func(context.Context, *sonzaihook.Delivery) error {
	if enqueue == nil {
		return nil
	}
	return func(ctx context.Context, d *sonzaihook.Delivery) error {
		began := time.Now()
		ctx, span := t.begin(ctx, t.labels.begin(sending, d.Type), d)
		own := *d
		own.Trace = make(map[string]string, len(d.Trace)+2)
		maps.Copy(own.Trace, d.Trace)
		t.propagator.Inject(ctx, propagation.MapCarrier(own.Trace))
		failure := sonzaihook.CodePanicked
		defer func() {
			t.enqueue.Record(ctx, time.Since(began).Seconds(), metric.WithAttributes(attribute.String("result", resultOf(failure))))
			end(span, failure)
		}()
		err := enqueue(ctx, &own)
		if failure = ""; err != nil {
			failure = sonzaihook.CodeQueueUnavailable
		}
		return err
	}
}

func resultOf(failure string) string {
	if failure == "" {
		return "ok"
	}
	return "error"
}

// claimedKey finds in a context what a request says of its trace.
type claimedKey struct{}

// PublicEndpoint wraps the handler on which deliveries arrive, outside of whatever
// starts a span for a request. It takes the trace context out of the request's
// headers, because anybody can send one: the span of the server begins a trace, and
// the one of the delivery links to the sender's.
//
// Where otelhttp stands alone its WithPublicEndpointFn does as much; otelgin and
// echo's middleware have no such option.
func (t *Telemetry) PublicEndpoint(next http.Handler) http.Handler {
	t.public.Store(true)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		claimed := t.extract(propagation.HeaderCarrier(req.Header))
		var header http.Header
		for _, field := range t.propagator.Fields() {
			if req.Header.Get(field) == "" {
				continue
			}
			if header == nil {
				header = req.Header.Clone()
			}
			header.Del(field)
		}
		if header != nil {
			ctx := req.Context()
			if claimed.IsValid() {
				ctx = context.WithValue(ctx, claimedKey{}, claimed)
			}
			req = req.WithContext(ctx)
			req.Header = header
		}
		next.ServeHTTP(w, req)
	})
}

// bearsOutcome reports whether the outcome of a delivery stands on the span that was
// current when it came: one of this process that is about this delivery alone.
func bearsOutcome(current trace.SpanContext, source sonzaihook.Source) bool {
	return current.IsValid() && !current.IsRemote() && !fetched(source)
}

// tell puts the outcome of a delivery on the span of the server. Where there is
// none, a delivery that did not run gets a span after the fact.
func (t *Telemetry) tell(ctx context.Context, out *sonzaihook.Outcome, reason string) {
	span := trace.SpanFromContext(ctx)
	if bearsOutcome(span.SpanContext(), out.Source) {
		if span.IsRecording() {
			t.describe(span, out, reason)
			if out.Type != "" {
				span.SetAttributes(eventTypeKey.String(string(out.Type)))
			}
		}
		return
	}
	if mayHaveRun(out.Code) && t.begun.take(out.DeliveryID) {
		return
	}
	d := &sonzaihook.Delivery{ID: out.DeliveryID, Type: out.Type, Source: out.Source}
	ended := time.Now()
	_, span = t.begin(ctx, t.labels.begin(receiving, out.Type), d, trace.WithTimestamp(ended.Add(-out.Duration)))
	t.describe(span, out, reason)
	failure := ""
	if out.Status >= http.StatusBadRequest {
		failure = out.Code
	}
	end(span, failure, trace.WithTimestamp(ended))
}

func (t *Telemetry) describe(span trace.Span, out *sonzaihook.Outcome, reason string) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(codeKey.String(out.Code), sourceKey.String(sourceLabel(out.Source)))
	if out.Status >= http.StatusBadRequest {
		span.SetAttributes(errorTypeKey.String(out.Code))
	}
	if reason != "" {
		span.SetAttributes(reasonKey.String(reason))
	}
}

// mayHaveRun reports whether a delivery with this outcome may have a span already:
// that of its callbacks, or that of its hand-off. The others were answered before,
// perhaps while a copy of them runs.
func mayHaveRun(code string) bool {
	switch code {
	case sonzaihook.CodeProcessed, sonzaihook.CodeIgnored, sonzaihook.CodeQueued, sonzaihook.CodeRejected,
		sonzaihook.CodeFailed, sonzaihook.CodePanicked, sonzaihook.CodeRetryLater, sonzaihook.CodeQueueUnavailable:
		return true
	}
	return false
}
