package sqlhook

import (
	"context"
	"slices"
	"sync"
)

// group lets callers that come at the same time share one transaction, and so one
// flush of the disk. The first ones lead: each does its own and what the others
// brought meanwhile, and hands the lead on. No caller waits for company. Callers do
// the work; there is no goroutine.
type group[T any] struct {
	lanes    int                              // transactions at a time
	most     int                              // items in one transaction
	together func(context.Context, []T) error // does all of them, or none
	alone    func(context.Context, T) error   // does one, where together failed

	mu      sync.Mutex
	waiting []*member[T]
	leaders int
}

// member is a caller that waits.
type member[T any] struct {
	item   T
	signal chan signal // of capacity one
}

type signal int

const (
	lead      signal = iota // it is its turn to lead
	succeeded               // its item is done
	failed                  // the shared transaction failed
)

// do does one item under the caller's context. An error of a shared transaction is
// no caller's: each then tries by itself.
func (g *group[T]) do(ctx context.Context, item T) error {
	g.mu.Lock()
	if g.leaders < g.lanes {
		g.leaders++
		g.mu.Unlock()
		return g.leads(ctx, item)
	}
	m := &member[T]{item: item, signal: make(chan signal, 1)}
	g.waiting = append(g.waiting, m)
	g.mu.Unlock()
	select {
	case s := <-m.signal:
		return g.follow(ctx, item, s)
	case <-ctx.Done():
		g.leave(m)
		return ctx.Err()
	}
}

func (g *group[T]) follow(ctx context.Context, item T, s signal) error {
	switch s {
	case lead:
		return g.leads(ctx, item)
	case failed:
		return g.alone(ctx, item)
	}
	return nil
}

// leads does the leader's item and those that wait, in one transaction.
func (g *group[T]) leads(ctx context.Context, item T) error {
	g.mu.Lock()
	n := min(len(g.waiting), g.most-1)
	others := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	g.mu.Unlock()
	items := []T{item}
	for _, m := range others {
		items = append(items, m.item)
	}
	result := failed // stays if together panics
	defer func() {
		for _, m := range others {
			m.signal <- result
		}
	}()
	err := func() error {
		defer g.handOn()
		return g.together(ctx, items)
	}()
	if err == nil {
		result = succeeded
		return nil
	}
	if len(items) == 1 {
		return err
	}
	for _, m := range others {
		m.signal <- failed
	}
	others = nil
	return g.alone(ctx, item)
}

// handOn makes the next one lead.
func (g *group[T]) handOn() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.leaders--
		return
	}
	next := g.waiting[0]
	g.waiting = slices.Delete(g.waiting, 0, 1)
	next.signal <- lead
}

// leave takes out a caller whose context has ended. If it was just told to lead, it
// hands the lead on; if its item is in a transaction, what becomes of it is not
// known.
func (g *group[T]) leave(m *member[T]) {
	g.mu.Lock()
	at := slices.Index(g.waiting, m)
	if at >= 0 {
		g.waiting = slices.Delete(g.waiting, at, at+1)
	}
	g.mu.Unlock()
	if at >= 0 {
		return
	}
	select {
	case s := <-m.signal:
		if s == lead {
			g.handOn()
		}
	default:
	}
}
