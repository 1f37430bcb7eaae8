package otelhook

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/sonzaihook/sonzaihook"
)

// other stands for every type, source and reason that is not named separately: they
// are the sender's text, and each would be a time series.
const other = "other"

// labels knows what may stand in an attribute, and keeps the sets of attributes
// that were used, so that a delivery builds none. Its maps are replaced whole; mu
// is held by whoever replaces one.
type labels struct {
	mu         sync.Mutex
	registered func() []sonzaihook.EventType
	types      atomic.Pointer[map[sonzaihook.EventType]string]
	asked      atomic.Int64 // when registered was called last, Unix nanoseconds

	deliveries cache[deliveryKey, []metric.RecordOption]
	failures   cache[string, []metric.RecordOption]
	spans      cache[spanKey, *beginning]
}

type (
	deliveryKey struct{ typ, code, source string }
	spanKey     struct {
		operation operation
		typ       string
	}
)

// beginning is how the spans of one operation and type start.
type beginning struct {
	name    string
	options []trace.SpanStartOption
	runs    bool // it is the span of a delivery that runs or is handed off
}

// operation is what a span is about.
type operation int

const (
	processing operation = iota // the callbacks
	sending                     // a hand-off
	receiving                   // a delivery that did not run
)

// operations are the names of the operations and the kinds of their spans.
var operations = map[operation]struct {
	name string
	kind trace.SpanKind
}{
	processing: {"process", trace.SpanKindConsumer},
	sending:    {"send", trace.SpanKindProducer},
	receiving:  {"receive", trace.SpanKindConsumer},
}

func (l *labels) init(more []sonzaihook.EventType, registered func() []sonzaihook.EventType) {
	l.registered = registered
	types := map[sonzaihook.EventType]string{}
	for _, t := range append(sonzaihook.EventTypes(), more...) {
		types[sonzaihook.CanonicalType(string(t))] = string(sonzaihook.CanonicalType(string(t)))
	}
	l.types.Store(&types)
}

// askAgain bounds how often unknown types make the receivers be asked.
const askAgain = time.Second

// typeLabel returns the name of a type that may stand in an attribute. Callbacks
// may be registered at any time, so an unknown type is looked up among them.
func (l *labels) typeLabel(t sonzaihook.EventType) string {
	if label, ok := (*l.types.Load())[t]; ok {
		return label
	}
	if t == "" {
		return other
	}
	now, last := time.Now().UnixNano(), l.asked.Load()
	if now-last < int64(askAgain) || !l.asked.CompareAndSwap(last, now) {
		return other
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	types := maps.Clone(*l.types.Load())
	for _, known := range l.registered() {
		types[known] = string(known)
	}
	l.types.Store(&types)
	if label, ok := types[t]; ok {
		return label
	}
	return other
}

func sourceLabel(s sonzaihook.Source) string {
	switch s {
	case sonzaihook.SourceWebhook, sonzaihook.SourcePoll, sonzaihook.SourceReplay, sonzaihook.SourceBroker:
		return string(s)
	case "":
		return "none"
	}
	return other
}

// delivery returns the attributes of a delivery's metrics.
func (l *labels) delivery(out *sonzaihook.Outcome) []metric.RecordOption {
	key := deliveryKey{l.typeLabel(out.Type), out.Code, sourceLabel(out.Source)}
	return l.deliveries.get(key, func() []metric.RecordOption {
		return []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(
			attribute.String("type", key.typ), attribute.String("code", key.code), attribute.String("source", key.source),
		))}
	})
}

// failed returns the attributes of the callbacks' duration.
func (l *labels) failed(failure string) []metric.RecordOption {
	return l.failures.get(failure, func() []metric.RecordOption {
		set := []attribute.KeyValue{system, operationNameKey.String(operations[processing].name)}
		if failure != "" {
			set = append(set, errorTypeKey.String(failure))
		}
		return []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(set...))}
	})
}

// begin returns how the span of a type starts. A refused delivery has no type.
func (l *labels) begin(op operation, t sonzaihook.EventType) *beginning {
	key := spanKey{operation: op}
	if t != "" || op != receiving {
		key.typ = l.typeLabel(t)
	}
	return l.spans.get(key, func() *beginning {
		o := operations[op]
		return &beginning{
			name: strings.TrimSpace(o.name + " " + key.typ),
			runs: op != receiving,
			options: []trace.SpanStartOption{
				trace.WithSpanKind(o.kind),
				trace.WithAttributes(system, operationNameKey.String(o.name), operationTypeKey.String(o.name)),
			},
		}
	})
}

// cache is a map that is read without a lock and without an allocation. It is for
// few keys: each new one copies the map.
type cache[K comparable, V any] struct {
	mu     sync.Mutex
	values atomic.Pointer[map[K]V]
}

func (c *cache[K, V]) get(key K, build func() V) V {
	if now := c.values.Load(); now != nil {
		if v, ok := (*now)[key]; ok {
			return v
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	next := map[K]V{}
	if now := c.values.Load(); now != nil {
		if v, ok := (*now)[key]; ok {
			return v
		}
		next = maps.Clone(*now)
	}
	v := build()
	next[key] = v
	c.values.Store(&next)
	return v
}
