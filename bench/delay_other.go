//go:build !linux

package main

import "time"

// alarm waits as well as the runtime can.
type alarm struct{}

func newAlarm() (alarm, error) { return alarm{}, nil }

func (alarm) close() {}

// wait returns when d is over.
func (alarm) wait(d time.Duration) error {
	time.Sleep(d)
	return nil
}
