package once

import (
	"context"
	"sync"
)

// gate counts what is running, so that a limit can be kept and a shutdown can wait.
// The zero gate is open.
type gate struct {
	mu        sync.Mutex
	running   int // what the limit is about
	uncounted int // what it is not about
	closed    bool
	idle      latch // nothing runs any more, and nothing may
}

// enter lets an attempt in, or says why not. A limit of 0 is none.
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

// leave ends what enter began.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	g.check()
}

// enterUncounted lets in what the limit is not about.
func (g *gate) enterUncounted() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return ErrShuttingDown
	}
	g.uncounted++
	return nil
}

// linger turns what enter began into what leaveUncounted ends.
func (g *gate) linger() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	g.uncounted++
}

// leaveUncounted ends what enterUncounted or linger began.
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

// close lets nothing in any more and waits for the last to leave.
func (g *gate) close(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	g.check()
	g.mu.Unlock()
	select {
	case <-g.idle.channel():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
