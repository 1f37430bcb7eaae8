// Package postgresserver runs a PostgreSQL server on the loopback interface, for
// tests. It is started, stopped and crashed with processes and signals, as a
// machine would do it. Run as root it starts the server as the user postgres,
// because PostgreSQL refuses to run as root.
package postgresserver
