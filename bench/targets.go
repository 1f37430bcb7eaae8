package main

import (
	"fmt"
	"math"
	"time"
)

// What was to be reached, beside what was. A figure that is missed is printed,
// and nothing fails: on a busy machine a single run says little.

// goal says which side of a bound is good.
type goal int

const (
	atMost goal = iota
	atLeast
)

// reached is one row of the table of targets.
type reached struct {
	what  string
	cells []cell // one for each size, or one
}

type cell struct {
	text string
	ok   bool
	open bool // nothing was aimed at
}

func newCell(g goal, value, bound float64, text func(float64) string) cell {
	if g == atMost {
		return cell{text: fmt.Sprintf("%s (≤ %s)", text(value), text(bound)), ok: value <= bound}
	}
	return cell{text: fmt.Sprintf("%s (≥ %s)", text(value), text(bound)), ok: value >= bound}
}

func ratio(v float64) string { return fmt.Sprintf("%.2f", v) }
func count(v float64) string { return fmt.Sprintf("%.0f", v) }

// reach notes how two lanes compare in each size, and what was aimed at.
func (b *bench) reach(what string, g goal, columns [][]result, over, under int, bounds ...float64) {
	row := reached{what: what}
	for i, results := range columns {
		row.cells = append(row.cells, newCell(g, results[over].over(&results[under]), bounds[i], ratio))
	}
	b.reached = append(b.reached, row)
}

// show notes a figure of each size that nothing was aimed at for.
func (b *bench) show(what string, columns [][]result, figure func([]result) float64) {
	row := reached{what: what}
	for _, results := range columns {
		row.cells = append(row.cells, cell{text: ratio(figure(results)), open: true})
	}
	b.reached = append(b.reached, row)
}

// reachAllocs notes how many allocations a lane makes more than another, or than
// none where under is negative.
func (b *bench) reachAllocs(what string, columns [][]result, over, under int, bound float64) {
	row := reached{what: what}
	for _, results := range columns {
		more := results[over].allocs()
		if under >= 0 {
			more -= results[under].allocs()
		}
		row.cells = append(row.cells, newCell(atMost, math.Round(more), bound, count))
	}
	b.reached = append(b.reached, row)
}

// reachFastest notes how far a lane is ahead of the best of the lanes from first on.
func (b *bench) reachFastest(what string, columns [][]result, own, first int) {
	row := reached{what: what}
	for _, results := range columns {
		nearest := math.Inf(1)
		for i := first; i < len(results); i++ {
			nearest = min(nearest, results[i].over(&results[own]))
		}
		row.cells = append(row.cells, newCell(atLeast, nearest, 1, ratio))
	}
	b.reached = append(b.reached, row)
}

// reachTime notes how long a lane of the largest size took.
func (b *bench) reachTime(what string, r *result, bound time.Duration) {
	b.reachLarge(what, newCell(atMost, r.ns(), float64(bound), duration))
}

// reachLarge notes a figure of the largest size alone.
func (b *bench) reachLarge(what string, c cell) {
	row := reached{what: what}
	for range len(sizes) - 1 {
		row.cells = append(row.cells, cell{open: true})
	}
	row.cells = append(row.cells, c)
	b.reached = append(b.reached, row)
}

func (b *bench) targets() {
	if len(b.reached) > 0 {
		b.paper.targets(b.reached)
	}
}
