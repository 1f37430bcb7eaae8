package sonzaihook

import (
	"context"
	"sync"
)

// gate counts what is running, so that a bound can be kept and a shutdown can
// wait. The zero gate is open and without a bound.
type gate struct {
	mu      sync.Mutex
	limit   int // 0: none
	running int // attempts, which the limit is about
	helpers int // goroutines that serve an attempt
	closed  bool
	idle    chan struct{} // closed when nothing runs any more; made by close
}

// enter lets an attempt in, or says why not.
func (g *gate) enter() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return ErrShuttingDown
	}
	if g.limit > 0 && g.running >= g.limit {
		return ErrOverloaded
	}
	g.running++
	return nil
}

// leave ends what enter began.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	g.settle()
}

// help counts a goroutine that the limit is not about, or says why it may not
// start.
func (g *gate) help() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed && g.running+g.helpers == 0 {
		return ErrShuttingDown
	}
	g.helpers++
	return nil
}

// enterUncounted lets in what the limit is not about.
func (g *gate) enterUncounted() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return ErrShuttingDown
	}
	g.helpers++
	return nil
}

// helped ends what help began.
func (g *gate) helped() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.helpers--
	g.settle()
}

func (g *gate) settle() {
	if g.closed && g.running+g.helpers == 0 {
		close(g.idle)
	}
}

// close lets nobody in any more and waits for the last to leave.
func (g *gate) close(ctx context.Context) error {
	g.mu.Lock()
	if !g.closed {
		g.closed, g.idle = true, make(chan struct{})
		g.settle()
	}
	idle := g.idle
	g.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
