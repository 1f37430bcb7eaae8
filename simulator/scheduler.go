package simulator

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// scheduler runs tasks when they are due. One goroutine owns the list and workers
// take from it; the task that is due first runs first, those due at the same time
// in the order in which they were added.
type scheduler struct {
	in  chan task
	out chan func()
}

type task struct {
	due time.Time
	seq int
	run func()
}

func newScheduler() *scheduler {
	return &scheduler{in: make(chan task), out: make(chan func())}
}

// add reports whether the task was taken; it is not once ctx is done.
func (s *scheduler) add(ctx context.Context, due time.Time, run func()) bool {
	select {
	case s.in <- task{due: due, run: run}:
		return true
	case <-ctx.Done():
		return false
	}
}

// work runs tasks until ctx is done.
func (s *scheduler) work(ctx context.Context) {
	for {
		select {
		case run := <-s.out:
			run()
		case <-ctx.Done():
			return
		}
	}
}

// run hands tasks out until ctx is done.
func (s *scheduler) run(ctx context.Context) {
	var list tasks
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for seq := 0; ; seq++ {
		var out chan func()
		var first func()
		if len(list) > 0 {
			wait := time.Until(list[0].due)
			if wait <= 0 {
				out, first = s.out, list[0].run
			} else {
				timer.Reset(wait)
			}
		}
		select {
		case out <- first:
			heap.Pop(&list)
		case added := <-s.in:
			added.seq = seq
			heap.Push(&list, added)
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// tasks is a heap, the earliest first.
type tasks []task

func (t tasks) Len() int { return len(t) }

func (t tasks) Less(i, j int) bool {
	if t[i].due.Equal(t[j].due) {
		return t[i].seq < t[j].seq
	}
	return t[i].due.Before(t[j].due)
}

func (t tasks) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t *tasks) Push(x any)   { *t = append(*t, x.(task)) }

func (t *tasks) Pop() any {
	last := len(*t) - 1
	popped := (*t)[last]
	(*t)[last] = task{}
	*t = (*t)[:last]
	return popped
}

// pending counts the deliveries that are not settled.
type pending struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n falls to zero; nil while no call waits for it
}

func (p *pending) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n += n
	if p.n == 0 && p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
}

func (p *pending) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

// none returns a channel that is closed once nothing is pending.
func (p *pending) none() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle == nil {
		p.idle = make(chan struct{})
	}
	idle := p.idle
	if p.n == 0 {
		close(p.idle)
		p.idle = nil
	}
	return idle
}
