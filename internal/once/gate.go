package once

import (
	"context"
	"sync"
)

// gate counts what is running, so that a limit can be kept and a shutdown can wait.
// The zero gate is open.
type gate struct {
	mu        sync.Mutex
	running   int // counted by the limit
	uncounted int // not counted by it
	closed    bool
	idle      latch // the gate is closed and nothing runs any more
}

// enter lets an attempt in, or returns why not. A limit of 0 is no limit.
func (g *gate) enter(limit int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return ErrShuttingDown
	}
	if limit > 0 && g.running >= limit {
		return ErrOverloaded
	}
	g.running++
	return nil
}

// leave undoes enter.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	g.check()
}

// enterUncounted lets in work that the limit does not count.
func (g *gate) enterUncounted() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return ErrShuttingDown
	}
	g.uncounted++
	return nil
}

// linger moves an attempt that has entered from running to uncounted.
func (g *gate) linger() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	g.uncounted++
}

// leaveUncounted undoes enterUncounted or linger.
func (g *gate) leaveUncounted() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.uncounted--
	g.check()
}

func (g *gate) check() {
	if g.closed && g.running+g.uncounted == 0 {
		g.idle.open()
	}
}

func (g *gate) isClosed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}

// close refuses everything from now on and waits until all have left, or until ctx
// ends. Where all have left already it does not matter that ctx has ended.
func (g *gate) close(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	g.check()
	g.mu.Unlock()
	idle := g.idle.channel()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-idle:
		return nil
	default:
		return context.Cause(ctx)
	}
}
