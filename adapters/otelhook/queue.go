package otelhook

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/sonzaihook/sonzaihook"
)

// ObserveQueue reports the depth and the age of a queue: how many deliveries wait
// in it, and how long the oldest of them has waited, zero where none does. The
// function is called whenever metrics are collected, possibly concurrently, with
// the context of the collection; after an error the queue is left out of that
// collection. Where counting is expensive the function should keep its answer for a
// while.
//
// The name stands in the attribute queue, so it must be one of a few. ObserveQueue
// returns what ends the reports, or an error that wraps sonzaihook.ErrInvalidOption
// for an empty name or a nil function.
func (t *Telemetry) ObserveQueue(name string, stats func(context.Context) (depth int64, age time.Duration, err error)) (metric.Registration, error) {
	if name == "" || stats == nil {
		return nil, fmt.Errorf("otelhook: %w: ObserveQueue needs a name and a function", sonzaihook.ErrInvalidOption)
	}
	depths, err := t.meter.Int64ObservableGauge("sonzaihook.queue.depth", metric.WithUnit("{delivery}"),
		metric.WithDescription("Deliveries that wait in a queue."))
	if err != nil {
		return nil, fmt.Errorf("otelhook: %w", err)
	}
	ages, err := t.meter.Float64ObservableGauge("sonzaihook.queue.age", metric.WithUnit("s"),
		metric.WithDescription("How long the oldest delivery in a queue has waited."))
	if err != nil {
		return nil, fmt.Errorf("otelhook: %w", err)
	}
	set := metric.WithAttributeSet(attribute.NewSet(attribute.String("queue", name)))
	registration, err := t.meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		depth, age, err := stats(ctx)
		if err != nil {
			return fmt.Errorf("otelhook: queue %s: %w", name, err)
		}
		o.ObserveInt64(depths, depth, set)
		o.ObserveFloat64(ages, age.Seconds(), set)
		return nil
	}, depths, ages)
	if err != nil {
		return nil, fmt.Errorf("otelhook: %w", err)
	}
	return registration, nil
}
