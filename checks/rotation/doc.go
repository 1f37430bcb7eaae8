// Command rotation tries to break the promise of a fleet that rotates: three receiver
// processes on one redis-server take the deliveries of 20 projects while the secret of
// one project after another is rotated, by whichever process is asked, and processes
// are killed at every step of a rotation and of a run. No delivery that the platform
// signed may be refused for good, none may be lost, and none may run again that an
// instance had finished which was not killed.
//
// The test of this package is the short form. The flaw [KeepsQuiet], of instances that
// announce nothing, must be found out.
package main
