package console

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// ErrClosed is returned when nothing reads the output any more, such as head after
// its last line.
var ErrClosed = errors.New("the output is closed")

// write writes to the output and remembers whether it is closed.
func (c *Console) write(write func() error) error {
	err := write()
	if errors.Is(err, syscall.EPIPE) {
		c.closed.Store(true)
		return ErrClosed
	}
	return err
}

// closedPause is how often WhileRead looks.
const closedPause = 200 * time.Millisecond

// WhileRead returns a context that also ends, with ErrClosed as its cause, once
// nothing reads the output any more. A command that runs until it is interrupted
// ends by it, though it has nothing to write.
func (c *Console) WhileRead(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	file, _ := c.Out.(*os.File)
	go func() {
		ticker := time.NewTicker(closedPause)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if c.closed.Load() || (file != nil && unread(file)) {
				cancel(ErrClosed)
				return
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}
