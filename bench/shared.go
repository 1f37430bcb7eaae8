package main

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"
)

// What the sections have in common that share a server or a disk.

// allProcessors lets the runtime use them all, as a server would, and returns what
// goes back to one.
func allProcessors() (restore func()) {
	before := runtime.GOMAXPROCS(runtime.NumCPU())
	return func() { runtime.GOMAXPROCS(before) }
}

// contest lets tasks compete, with turns of so many slices.
func (b *bench) contest(name string, callers, slices int, tasks []task) ([]turns, error) {
	return b.compete(name, contest{callers: callers, rounds: max(b.plan.rounds/2, 1), length: b.turn(slices)}, tasks)
}

func (b *bench) compete(name string, c contest, tasks []task) ([]turns, error) {
	c.step = b.progressOf(name)
	return c.run(b.ctx, tasks)
}

// turn is how long a turn of so many slices is.
func (b *bench) turn(slices int) time.Duration {
	if b.quick {
		return 10 * time.Millisecond
	}
	return time.Duration(slices) * b.plan.slice
}

// flushes is how often the disk is asked.
func (b *bench) flushes() int {
	if b.quick {
		return 5
	}
	return 100
}

// progressOf says how far something is: on a terminal in one line that changes, else
// once.
func (b *bench) progressOf(name string) func(done, of int) {
	terminal := isTerminal(b.progress)
	return func(done, of int) {
		switch {
		case terminal && done < of-1:
			_, _ = fmt.Fprintf(b.progress, "\rbench: %s, round %d of %d\x1b[K", name, done+1, of)
		case terminal:
			_, _ = fmt.Fprint(b.progress, "\r\x1b[K")
			b.say("%s", name)
		case done == 0:
			b.say("%s", name)
		}
	}
}

func isTerminal(w any) bool {
	f, ok := w.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}

// thousands writes a number with commas.
func thousands(v float64) string {
	digits := strconv.FormatFloat(v, 'f', 0, 64)
	var b strings.Builder
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return b.String()
}

func span(d time.Duration) string { return duration(float64(d.Nanoseconds())) }

// faster is the aim that one task is done so many times as often as another.
func faster(what string, r, other *turns, bound float64) aim {
	if !both(r, other) {
		return shown(what, "not installed")
	}
	return newAim(what, atLeast, r.faster(other), bound, ratio)
}

// compared is the same figure where nothing was aimed at.
func compared(what string, r, other *turns) aim {
	if !both(r, other) {
		return shown(what, "not installed")
	}
	return shown(what, ratio(r.faster(other)))
}
