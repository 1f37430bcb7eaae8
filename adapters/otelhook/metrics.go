package otelhook

import (
	"context"
	"errors"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/sonzaihook/sonzaihook"
)

// Buckets, in seconds. The defaults of an SDK are made for milliseconds.
var (
	deliveryBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	processBuckets  = []float64{.0001, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}
	storeBuckets    = []float64{.000001, .00001, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1}
	skewBuckets     = []float64{-300, -60, -30, -10, -5, -1, 0, 1, 2, 5, 10, 30, 60, 300}
)

// instruments are what a Telemetry records with.
type instruments struct {
	delivery metric.Float64Histogram
	process  metric.Float64Histogram
	refusals metric.Int64Counter
	skew     metric.Float64Histogram
	retiring metric.Int64Counter
	store    metric.Float64Histogram
	enqueue  metric.Float64Histogram
}

func newInstruments(m metric.Meter) (*instruments, error) {
	var errs []error
	seconds := func(name, description string, buckets []float64) metric.Float64Histogram {
		h, err := m.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description),
			metric.WithExplicitBucketBoundaries(buckets...))
		errs = append(errs, err)
		return h
	}
	counter := func(name, description string) metric.Int64Counter {
		c, err := m.Int64Counter(name, metric.WithUnit("{delivery}"), metric.WithDescription(description))
		errs = append(errs, err)
		return c
	}
	i := &instruments{
		delivery: seconds("sonzaihook.delivery.duration", "Time from the first look at a delivery to its answer.", deliveryBuckets),
		process:  seconds(processDuration, "Time that the callbacks of a delivery took.", processBuckets),
		skew:     seconds("sonzaihook.clock.skew", "Our clock less the time in the signature of a delivery.", skewBuckets),
		store:    seconds("sonzaihook.store.duration", "Time that a call to the store took.", storeBuckets),
		enqueue:  seconds("sonzaihook.queue.enqueue.duration", "Time that handing a delivery to a queue took.", storeBuckets),
		refusals: counter("sonzaihook.refusals", "Deliveries that were refused, by reason."),
		retiring: counter("sonzaihook.secret.retiring_used", "Deliveries that were verified by a secret that has been rotated out."),
	}
	return i, errors.Join(errs...)
}

// observe is told the outcome of each delivery.
func (t *Telemetry) observe(ctx context.Context, out sonzaihook.Outcome) {
	t.delivery.Record(ctx, out.Duration.Seconds(), t.labels.delivery(&out)...)
	if !out.SignedAt.IsZero() && out.Source == sonzaihook.SourceWebhook {
		arrived := t.now().Add(-out.Duration)
		t.skew.Record(ctx, arrived.Sub(out.SignedAt).Seconds(), authenticity(&out)...)
	}
	if out.Retiring {
		t.retiring.Add(ctx, 1, metric.WithAttributes(attribute.String("type", t.labels.typeLabel(out.Type))))
	}
	reason := reasonOf(&out)
	if reason != "" {
		t.refusals.Add(ctx, 1, metric.WithAttributes(attribute.String("reason", reason)))
	}
	t.tell(ctx, &out, reason)
}

var (
	authentic   = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attribute.Bool("authentic", true)))}
	unauthentic = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attribute.Bool("authentic", false)))}
)

// authenticity keeps what anybody may send apart from what the platform signed.
func authenticity(out *sonzaihook.Outcome) []metric.RecordOption {
	if out.Type == "" {
		return unauthentic
	}
	return authentic
}

// reasons names the errors that have one code in common.
var reasons = []struct {
	err  error
	name string
}{
	{sonzaihook.ErrMissingSignature, "missing"},
	{sonzaihook.ErrMalformedSignature, "malformed"},
	{sonzaihook.ErrSignatureMismatch, "mismatch"},
	{sonzaihook.ErrTimestampOutsideTolerance, "stale"},
	{sonzaihook.ErrSecretOfOtherType, "other_type"},
	{sonzaihook.ErrWrongAuthorization, "authorization"},
	{sonzaihook.ErrSecretAwaited, "secret_awaited"},
}

// reasonOf returns why a delivery was refused, and nothing where it was not. Its
// code is the reason, unless several reasons share one.
func reasonOf(out *sonzaihook.Outcome) string {
	if out.Status < http.StatusBadRequest {
		return ""
	}
	refused := out.Status < http.StatusInternalServerError
	if out.Code != sonzaihook.CodeUnauthorized && out.Code != sonzaihook.CodeRetryLater {
		if refused {
			return out.Code
		}
		return ""
	}
	if refused || out.Type == "" { // a callback may return any error, also one of these
		for _, reason := range reasons {
			if errors.Is(out.Err, reason.err) {
				return reason.name
			}
		}
	}
	if refused {
		return other
	}
	return ""
}

// watchRuns reports how many deliveries run. They are counted here, because counting
// up and down on each would be most of what a delivery costs more.
func (t *Telemetry) watchRuns() error {
	_, err := t.meter.Int64ObservableUpDownCounter("sonzaihook.delivery.in_flight", metric.WithUnit("{delivery}"),
		metric.WithDescription("Deliveries whose callbacks run."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(t.running.Load())
			return nil
		}))
	return err
}

// watchSecrets reports for each type with a callback whether a delivery of it could
// verify now.
func (t *Telemetry) watchSecrets() error {
	valid, err := t.meter.Int64ObservableGauge("sonzaihook.secret.valid",
		metric.WithDescription("1 if a secret of the tenant verifies deliveries of this type now, 0 if not."))
	if err != nil {
		return err
	}
	_, err = t.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		verifies := map[string]int64{}
		for _, r := range t.receivers() {
			for _, typ := range r.Types() {
				label := t.labels.typeLabel(typ)
				if _, seen := verifies[label]; !seen {
					verifies[label] = 1
				}
				if !r.HasSecret(typ) {
					verifies[label] = 0
				}
			}
		}
		for label, value := range verifies {
			o.ObserveInt64(valid, value, metric.WithAttributes(attribute.String("type", label)))
		}
		return nil
	}, valid)
	return err
}
