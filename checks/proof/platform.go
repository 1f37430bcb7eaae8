package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"
)

// platform sends events as the real one does: at least once, and again on 5xx and
// broken connections, until it hears 2xx.
type platform struct {
	seed   uint64
	events []*event
	copies int
	spread time.Duration // over which the events are sent for the first time
	send   func(ctx context.Context, rng *rand.Rand, e *event, attempt int) Answer

	mu      sync.Mutex
	answers []Answer
	taken   int
	told    func(taken int) // may be nil
}

// The waits between two attempts for one copy.
const (
	firstWait = 20 * time.Millisecond
	lastWait  = 500 * time.Millisecond
)

// randomFor returns the source of randomness for one purpose of one seed.
func randomFor(seed uint64, purpose ...any) *rand.Rand {
	h := fnv.New64a()
	_, _ = fmt.Fprintln(h, purpose...)
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// run returns when every copy was taken, or refused for good, or ctx has ended.
func (p *platform) run(ctx context.Context) {
	var wg sync.WaitGroup
	for i, e := range p.events {
		start := p.spread * time.Duration(i) / time.Duration(len(p.events))
		for n := range p.copies {
			wg.Go(func() { p.deliver(ctx, e, n, start) })
		}
	}
	wg.Wait()
}

// deliver sends one copy until the platform stops. The copies of an event start
// within a few milliseconds, so that they overlap.
func (p *platform) deliver(ctx context.Context, e *event, n int, start time.Duration) {
	rng := randomFor(p.seed, "copy", e.name, n)
	pause(ctx, start+time.Duration(rng.Int64N(int64(10*time.Millisecond))))
	wait := firstWait
	for attempt := 1; ctx.Err() == nil; attempt++ {
		answer := p.send(ctx, rng, e, attempt)
		answer.Event, answer.Copy = e.name, n
		if p.heard(answer) {
			return
		}
		pause(ctx, wait/2+time.Duration(rng.Int64N(int64(wait))))
		wait = min(2*wait, lastWait)
	}
}

// heard records an answer and reports whether it ends the delivery.
func (p *platform) heard(a Answer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers = append(p.answers, a)
	if a.Taken() {
		p.taken++
		if p.told != nil {
			p.told(p.taken)
		}
	}
	return a.Status != 0 && a.Status < 500
}

// pause sleeps, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
