package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sonzaihook/sonzaihook/simulator"
)

// misbehave tells the simulator what goes wrong.
func misbehave(sim *simulator.Simulator, deliveries, calls []string) error {
	for _, text := range deliveries {
		var f simulator.DeliveryFault
		err := deliveryFault(&f).read(text)
		if err == nil {
			err = sim.MisbehaveDeliveries(f)
		}
		if err != nil {
			return fmt.Errorf("--delivery-fault %s: %w", text, err)
		}
	}
	for _, text := range calls {
		var f simulator.CallFault
		err := callFault(&f).read(text)
		if err == nil {
			err = sim.MisbehaveCalls(f)
		}
		if err != nil {
			return fmt.Errorf("--call-fault %s: %w", text, err)
		}
	}
	return nil
}

func deliveryFault(f *simulator.DeliveryFault) settings {
	return settings{
		"type":      func(v string) error { f.EventType = named([]string{v})[0]; return nil },
		"times":     count(&f.Times),
		"delay":     span(&f.Delay),
		"hold-back": truth(&f.HoldBack), "duplicates": count(&f.Duplicates),
		"drop": truth(&f.Drop), "drop-answer": truth(&f.DropAnswer),
	}
}

func callFault(f *simulator.CallFault) settings {
	return settings{
		"call":   func(v string) error { f.Call = v; return nil },
		"times":  count(&f.Times),
		"delay":  span(&f.Delay),
		"status": count(&f.Status), "retry-after": span(&f.RetryAfter),
		"html": truth(&f.HTML), "drop": truth(&f.Drop), "drop-answer": truth(&f.DropAnswer),
	}
}

// settings are what "key=value,key" may set.
type settings map[string]func(value string) error

func (s settings) read(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		set, known := s[key]
		if !known {
			return fmt.Errorf("%q is not one of %s", key, strings.Join(slices.Sorted(maps.Keys(s)), ", "))
		}
		if err := set(value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

func count(n *int) func(string) error {
	return func(value string) (err error) {
		if *n, err = strconv.Atoi(value); err != nil || *n < 1 {
			return errors.New("want a positive number")
		}
		return nil
	}
}

func span(d *time.Duration) func(string) error {
	return func(value string) (err error) {
		if *d, err = time.ParseDuration(value); err != nil || *d <= 0 {
			return errors.New("want a duration, as in 200ms")
		}
		return nil
	}
}

func truth(b *bool) func(string) error {
	return func(value string) error {
		if value != "" {
			return errors.New("takes no value")
		}
		*b = true
		return nil
	}
}
