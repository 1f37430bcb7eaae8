package once

import (
	"context"
	"sync"
	"time"
)

// Context is the context of one step of an attempt. It has the values of the
// parent but not its end, and a time limit. Most callbacks of a webhook are quick
// and never use their context, so the standard context behind it is made on first
// use.
//
// It implements context.Context and is safe for concurrent use.
type Context struct {
	parent  context.Context
	started time.Time
	limit   time.Duration // zero: none
	expired error         // the cause when the limit is reached
	owner   any           // the attempt that runs under it, or nil

	mu     sync.Mutex
	std    context.Context
	cancel context.CancelCauseFunc
	cause  error // if it ended before std was made
}

var _ context.Context = (*Context)(nil)

// ownerKey is the key of the owner among the values of a context.
type ownerKey struct{}

func (c *Context) init(parent context.Context, started time.Time, limit time.Duration, expired error, owner any) {
	c.parent, c.started, c.limit, c.expired, c.owner = parent, started, limit, expired, owner
}

// standard returns the standard context, and makes it at the first call.
func (c *Context) standard() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.std != nil {
		return c.std
	}
	base, stop := context.WithoutCancel(c.parent), context.CancelFunc(func() {})
	if c.limit > 0 {
		base, stop = context.WithDeadlineCause(base, c.started.Add(min(c.limit, Forever)), c.expired)
	}
	std, cancel := context.WithCancelCause(base)
	c.std = std
	c.cancel = func(cause error) {
		cancel(cause)
		stop()
	}
	if c.cause != nil {
		c.cancel(c.cause)
	}
	return std
}

// End ends the context. The first cause counts.
func (c *Context) End(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.std != nil {
		c.cancel(cause)
	} else if c.cause == nil {
		c.cause = cause
	}
}

// Deadline implements context.Context.
func (c *Context) Deadline() (time.Time, bool) { return c.standard().Deadline() }

// Done implements context.Context.
func (c *Context) Done() <-chan struct{} { return c.standard().Done() }

// Err implements context.Context.
func (c *Context) Err() error { return c.standard().Err() }

// Value implements context.Context. It does not make the standard context.
func (c *Context) Value(key any) any {
	if _, ok := key.(ownerKey); ok {
		return c.owner
	}
	c.mu.Lock()
	plain := c.std == nil && c.cause == nil
	c.mu.Unlock()
	if _, internal := key.(*int); !plain || internal {
		// The context package looks up the nearest cancelable parent with a key of
		// this type. The parent's must not be found: this context outlives it.
		return c.standard().Value(key)
	}
	return c.parent.Value(key)
}
