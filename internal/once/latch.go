package once

import "sync"

// latch is an event that happens once. The zero latch is closed. Its channel is
// made only if a goroutine waits: most work is done before that.
type latch struct {
	mu     sync.Mutex
	opened bool
	ch     chan struct{}
}

// open opens the latch; opening it again changes nothing.
func (l *latch) open() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.opened && l.ch != nil {
		close(l.ch)
	}
	l.opened = true
}

// wait returns a channel that is closed when the latch opens, or nil if it is open.
func (l *latch) wait() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opened {
		return nil
	}
	if l.ch == nil {
		l.ch = make(chan struct{})
	}
	return l.ch
}

// channel returns a channel that is closed when the latch is open.
func (l *latch) channel() <-chan struct{} {
	if ch := l.wait(); ch != nil {
		return ch
	}
	return closed
}

var closed = func() chan struct{} {
	ch := make(chan struct{})
	close(ch)
	return ch
}()
