// Command proof tries to break what the receiver promises, and checks that it
// held: a delivery that is answered 2xx was handled; every event is handled in the
// end; two runs of one event never overlap; without faults each event runs once.
//
// A platform in miniature sends every event in several overlapping copies and
// repeats each until it hears 2xx. Receivers write a journal of their callbacks.
// Faults come from a seed. Afterwards [Check] compares the journal with what the
// platform heard.
//
// The long form has three receiver processes, a real redis-server on the PATH,
// files that are synced, and real signals:
//
//	go -C checks run ./proof
//
// It ends with status 1 if the promise did not hold, and prints its seed, with
// which it can be repeated. The tests have a short form of it, and one in fake time
// in which a store, processes and connections fail in a single process, for many
// seeds in a few seconds.
//
// The checker is checked: each [Flaw] is a receiver that is wrong on purpose, and
// must be found.
package main
