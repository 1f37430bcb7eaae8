// Command exactlyonce tries to break the promise of a transaction that holds the effect
// and "done": a platform sends every event in overlapping copies and again until it
// hears 2xx, to three receiver processes on one database; a callback writes a row. The
// processes are killed at every step, and stopped for longer than their leases, and the
// database itself is killed and restarted. In the end there is one row for each event.
//
// It runs on PostgreSQL with sqlhook and with pgxhook, on MariaDB, and on an SQLite file
// that the processes share; with -queue the deliveries go through sqlhook's queue and a
// 202. The test of this package is the short form, and each of the flaws must be found.
package main
