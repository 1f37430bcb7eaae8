//go:build unix

package console

import (
	"os"

	"golang.org/x/sys/unix"
)

// unread reports whether the file is a pipe whose readers have all gone.
func unread(file *os.File) bool {
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return false
	}
	fds := []unix.PollFd{{Fd: int32(file.Fd())}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0 && fds[0].Revents&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0
}
