package usercode

import (
	"context"
	"log/slog"
	"time"
)

// Clock returns a clock that falls back to time.Now, and logs it, if clock panics.
func Clock(clock func() time.Time, logger Logger) func() time.Time {
	return func() (now time.Time) {
		defer func() {
			if v := recover(); v != nil {
				logger.Log(context.Background(), slog.LevelError, "clock panicked", PanicAttr(v))
				now = time.Now()
			}
		}()
		return clock()
	}
}
