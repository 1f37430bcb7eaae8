//go:build unix

package inspector

import (
	"syscall"
	"time"
)

// cpuTime returns what the process has computed so far. Beside other programs on the
// same machine it says more of a cost than the time that has passed.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
