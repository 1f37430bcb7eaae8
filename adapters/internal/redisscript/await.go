package redisscript

import (
	"context"
	"errors"
	"fmt"
)

var errNoAnswer = errors.New("the client did not return from the call")

// Await returns a Run that returns when its context ends, for clients whose calls
// may not. A call that is left behind goes on in a goroutine, for as long as the
// client lets it, and the server may still carry it out. A panic of the client is
// an error, because no caller could recover it there.
func Await(run Run) Run {
	return func(ctx context.Context, script, key string, args ...string) (int64, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		answered := make(chan answer, 1)
		go func() {
			a := answer{err: errNoAnswer}
			defer func() {
				if v := recover(); v != nil {
					a.err = fmt.Errorf("the client panicked: %v", v)
				}
				answered <- a
			}()
			a.value, a.err = run(ctx, script, key, args...)
		}()
		select {
		case a := <-answered:
			return a.value, a.err
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

type answer struct {
	value int64
	err   error
}
