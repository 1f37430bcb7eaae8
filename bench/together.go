package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Where a database or a network decides, what counts is how much many callers get
// done at a time. The tasks of a contest take turns of a fixed time, in an order that
// rotates, and what is compared is always two turns of one round.

// task is something that many callers do at a time.
type task struct {
	name    string
	missing error // why it cannot be done here; then do is nil
	// do does it once. No two calls get the same n, in all turns of a run.
	do func(ctx context.Context, n int64) error
}

// turns is what a task did in a contest.
type turns struct {
	name    string
	missing error
	rates   []float64       // how often a second it was done, in each round
	took    []time.Duration // how long each time, sorted
}

// contest says how the tasks take turns.
type contest struct {
	callers int
	rounds  int
	length  time.Duration // of a turn
	step    func(done, of int)
}

// numbers are the n of all tasks.
var numbers atomic.Int64

// run lets every task warm up for half a turn, and then compete.
func (c contest) run(ctx context.Context, tasks []task) ([]turns, error) {
	results := make([]turns, len(tasks))
	for i, t := range tasks {
		results[i] = turns{name: t.name, missing: t.missing}
		if t.missing == nil {
			if _, _, err := c.turn(ctx, t, c.length/2); err != nil {
				return nil, err
			}
		}
	}
	for round := range c.rounds {
		c.step(round, c.rounds)
		for k := range tasks {
			i := (round + k) % len(tasks)
			if tasks[i].missing != nil {
				continue
			}
			rate, took, err := c.turn(ctx, tasks[i], c.length)
			if err != nil {
				return nil, err
			}
			results[i].rates = append(results[i].rates, rate)
			results[i].took = append(results[i].took, took...)
		}
	}
	for i := range results {
		slices.Sort(results[i].took)
	}
	return results, nil
}

// turn lets all callers do a task again and again until a time is over.
func (c contest) turn(ctx context.Context, t task, length time.Duration) (rate float64, took []time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	each := make([][]time.Duration, c.callers)
	var running sync.WaitGroup
	begin := time.Now()
	for i := range c.callers {
		running.Go(func() {
			for ctx.Err() == nil && (len(each[i]) == 0 || time.Since(begin) < length) {
				start := time.Now()
				if err := t.do(ctx, numbers.Add(1)); err != nil {
					cancel(fmt.Errorf("%s: %w", t.name, err))
					return
				}
				each[i] = append(each[i], time.Since(start))
			}
		})
	}
	running.Wait()
	elapsed := time.Since(begin)
	if err := context.Cause(ctx); err != nil {
		return 0, nil, err
	}
	for _, own := range each {
		took = append(took, own...)
	}
	return float64(len(took)) / elapsed.Seconds(), took, nil
}

// rate returns the median over the rounds of how often a second it was done.
func (t *turns) rate() float64 { return median(t.rates) }

// percentile returns what p percent of the times stayed under.
func (t *turns) percentile(p int) time.Duration {
	return t.took[min(len(t.took)-1, len(t.took)*p/100)]
}

// faster returns the median over the rounds of how many times as often a second t
// was done as other.
func (t *turns) faster(other *turns) float64 {
	ratios := make([]float64, min(len(t.rates), len(other.rates)))
	for i := range ratios {
		ratios[i] = t.rates[i] / other.rates[i]
	}
	return median(ratios)
}

// both reports whether two tasks ran.
func both(a, b *turns) bool { return len(a.rates) > 0 && len(b.rates) > 0 }
