package signature

import (
	"context"
	"errors"
	"sync"
	"time"
)

var errLate = errors.New("no answer in time")

// within calls fn, and returns errLate if it has not returned in time. If fn hangs its
// goroutine is leaked.
func within[T any](timeout time.Duration, fn func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	type answer struct {
		value T
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		defer cancel()
		value, err := fn(ctx)
		answered <- answer{value, err}
	}()
	select {
	case got := <-answered:
		return got.value, got.err
	case <-ctx.Done():
	}
	select {
	case got := <-answered: // it has ended the context itself
		return got.value, got.err
	default:
		var none T
		return none, errLate
	}
}

// limiter limits the calls in each second.
type limiter struct {
	perSecond int

	mu     sync.Mutex
	second int64
	count  int
}

func (l *limiter) allow(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if second := now.Unix(); second != l.second {
		l.second, l.count = second, 0
	}
	l.count++
	return l.count <= l.perSecond
}
