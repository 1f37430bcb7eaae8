package main

import (
	"runtime"
	"slices"
	"time"
)

// How things are measured: every lane of a race runs once in each round, one
// after the other on one core, in an order that rotates. What is compared is
// always two lanes of one round, and what is reported the median of the rounds,
// so that a machine that is slow for a second is slow for both.

// lane is one runner of a race.
type lane struct {
	name string
	// waits says that it waits for others: then the time that goes by counts, and
	// else the processor time, which no other program on the machine can add to.
	waits bool
	// prepare makes ready for n runs, untimed.
	prepare func(n int) error
	// run does n runs. What it returns fails the race.
	run func(n int) error
	// after, where there is one, ends n runs, untimed.
	after func(n int) error
	// peek, where there is one, returns a figure of the runs since prepare.
	peek func() float64
}

// sample is one lane in one round, per run.
type sample struct {
	ns, allocs, bytes float64
	peeked            float64
}

// result is a lane with the samples of all rounds.
type result struct {
	name    string
	samples []sample
}

// plan says how long a race is.
type plan struct {
	rounds int
	slice  time.Duration // how long a lane runs in a round
}

func (p plan) race(lanes []lane) ([]result, error) {
	results := make([]result, len(lanes))
	runs := make([]int, len(lanes))
	for i, l := range lanes {
		n, err := p.calibrate(l)
		if err != nil {
			return nil, err
		}
		results[i].name, runs[i] = l.name, n
	}
	for round := range p.rounds {
		for k := range lanes {
			i := (round + k) % len(lanes)
			s, err := measure(lanes[i], runs[i])
			if err != nil {
				return nil, err
			}
			results[i].samples = append(results[i].samples, s)
		}
	}
	return results, nil
}

// calibrate returns how many runs fill a slice.
func (p plan) calibrate(l lane) (int, error) {
	for n := 1; ; {
		s, err := measure(l, n)
		if err != nil {
			return 0, err
		}
		took := time.Duration(s.ns * float64(n))
		if took >= p.slice/2 {
			return max(1, int(float64(p.slice)/s.ns)), nil
		}
		n = min(n*10, 2*n+int(float64(p.slice)/max(s.ns, 1)))
	}
}

func measure(l lane, n int) (sample, error) {
	if err := l.prepare(n); err != nil {
		return sample{}, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start, busy := time.Now(), processorTime()
	err := l.run(n)
	took, used := time.Since(start), processorTime()-busy
	if !l.waits {
		took = used
	}
	runtime.ReadMemStats(&after)
	s := sample{
		ns:     float64(took.Nanoseconds()) / float64(n),
		allocs: float64(after.Mallocs-before.Mallocs) / float64(n),
		bytes:  float64(after.TotalAlloc-before.TotalAlloc) / float64(n),
	}
	if err == nil && l.after != nil {
		err = l.after(n)
	}
	if l.peek != nil {
		s.peeked = l.peek()
	}
	return s, err
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

func (r *result) median(of func(sample) float64) float64 {
	values := make([]float64, len(r.samples))
	for i, s := range r.samples {
		values[i] = of(s)
	}
	return median(values)
}

func (r *result) ns() float64     { return r.median(func(s sample) float64 { return s.ns }) }
func (r *result) allocs() float64 { return r.median(func(s sample) float64 { return s.allocs }) }
func (r *result) bytes() float64  { return r.median(func(s sample) float64 { return s.bytes }) }
func (r *result) peeked() float64 { return r.median(func(s sample) float64 { return s.peeked }) }

// over returns the median over the rounds of how many times as long r took as
// other did in the same round.
func (r *result) over(other *result) float64 {
	return r.against(other, func(s sample) float64 { return s.ns })
}

// peekedOver is over for the figure that was peeked.
func (r *result) peekedOver(other *result) float64 {
	return r.against(other, func(s sample) float64 { return s.peeked })
}

func (r *result) against(other *result, of func(sample) float64) float64 {
	ratios := make([]float64, len(r.samples))
	for i := range r.samples {
		ratios[i] = of(r.samples[i]) / of(other.samples[i])
	}
	return median(ratios)
}
