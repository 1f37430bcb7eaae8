// Package redisserver runs a redis-server on the loopback interface, for tests and
// for the proof. It is started, stopped and stalled as a machine would do it: with
// processes and signals.
package redisserver
