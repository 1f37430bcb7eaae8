//go:build unix

package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// processorTime returns what this process has used of the processor, the kernel's
// share and the garbage collector's included. Where nothing waits, and in a race
// nothing does, it is the time that went by on a machine that does nothing else.
func processorTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}
