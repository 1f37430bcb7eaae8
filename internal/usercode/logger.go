package usercode

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// Logger writes to a slog.Logger whose handler may panic. It is safe for concurrent
// use.
type Logger struct{ To *slog.Logger }

// Log writes a record. If the handler panics the record is lost.
func (l Logger) Log(ctx context.Context, level slog.Level, message string, attrs ...slog.Attr) {
	defer func() { _ = recover() }() // there is nowhere left to report it
	l.To.LogAttrs(ctx, level, "sonzaihook: "+message, attrs...)
}

// Enabled reports whether records of a level are written.
func (l Logger) Enabled(ctx context.Context, level slog.Level) (on bool) {
	defer func() { _ = recover() }()
	return l.To.Enabled(ctx, level)
}

// Seldom limits how often something is logged. The zero Seldom is ready for use, by
// several goroutines.
type Seldom struct{ last atomic.Int64 } // in Unix seconds

// Now reports whether it is to be logged now: at most once a second.
func (s *Seldom) Now() bool {
	now, last := time.Now().Unix(), s.last.Load()
	return now != last && s.last.CompareAndSwap(last, now)
}
