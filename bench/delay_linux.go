package main

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// alarm waits for less than a millisecond. A timer of the runtime does not, where
// nothing else goes on: it waits in epoll, which counts in milliseconds.
type alarm struct{ file *os.File }

func newAlarm() (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	return &alarm{file: os.NewFile(uintptr(fd), "timerfd")}, nil
}

func (a *alarm) close() { _ = a.file.Close() }

// wait returns when d is over.
func (a *alarm) wait(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	raw, err := a.file.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.TimerfdSettime(int(fd), 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(d.Nanoseconds())}, nil)
	})
	if err != nil {
		return err
	}
	if set != nil {
		return os.NewSyscallError("timerfd_settime", set)
	}
	var expirations [8]byte
	if _, err := a.file.Read(expirations[:]); err != nil {
		return err
	}
	return nil
}
