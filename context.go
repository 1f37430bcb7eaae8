package sonzaihook

import (
	"context"
	"sync"
	"time"
)

// runContext is the context of one step of an attempt. It has the values of the
// request's context but not its end, and a time limit of its own. Most callbacks
// of a webhook are quick and never look at their context, so the standard
// context behind it is made when it is first asked for.
//
// It implements context.Context and is safe for concurrent use.
type runContext struct {
	parent  context.Context
	started time.Time
	limit   time.Duration // zero: none
	expired error         // the cause when the limit is reached
	attempt *attempt      // for ClaimFrom, nil where there is none

	mu     sync.Mutex
	inner  context.Context
	cancel context.CancelCauseFunc
	over   error // the cause, if it ended before inner was made
}

var _ context.Context = (*runContext)(nil)

// made returns the standard context, which it makes at the first call.
func (c *runContext) made() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner != nil {
		return c.inner
	}
	base, stop := context.WithoutCancel(c.parent), context.CancelFunc(func() {})
	if c.limit > 0 {
		base, stop = context.WithDeadlineCause(base, c.started.Add(c.limit), c.expired)
	}
	inner, cancel := context.WithCancelCause(base)
	c.inner = inner
	c.cancel = func(cause error) {
		cancel(cause)
		stop()
	}
	if c.over != nil {
		c.cancel(c.over)
	}
	return inner
}

// end ends the context. The first cause counts.
func (c *runContext) end(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner != nil {
		c.cancel(cause)
	} else if c.over == nil {
		c.over = cause
	}
}

func (c *runContext) Deadline() (time.Time, bool) { return c.made().Deadline() }
func (c *runContext) Done() <-chan struct{}       { return c.made().Done() }
func (c *runContext) Err() error                  { return c.made().Err() }

func (c *runContext) Value(key any) any {
	if _, ok := key.(claimKey); ok && c.attempt != nil {
		return c.attempt
	}
	return c.made().Value(key)
}
