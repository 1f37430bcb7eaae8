//go:build unix

package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/sonzaihook/sonzaihook"
)

// judge compares the journals with the platform's log.
func (w *world) judge() error {
	r := &w.report
	r.Events = len(w.events)
	for _, death := range w.fleet.Killed() {
		r.Kills[death.Point]++
	}
	for status, n := range r.Forged {
		if status < 300 {
			r.Believed += n
		}
	}
	for _, p := range w.projects {
		for _, a := range w.sim.Attempts(p, string(sonzaihook.EventMessage)) {
			r.Attempts++
			r.Answers[a.Code]++
			if a.Code >= 300 && a.Code < 500 {
				r.Refused++
			}
		}
	}
	var all []entry
	for id := range w.fleet.Last() {
		entries, err := readJournal(w.Dir, id+1)
		if err != nil {
			return err
		}
		all = append(all, entries...)
	}
	slices.SortFunc(all, func(a, b entry) int { return cmp.Compare(a.At, b.At) })
	finished := map[string][]int{} // by event, the instances, the first to finish first
	for _, e := range all {
		if e.Finished {
			finished[e.Event] = append(finished[e.Event], e.Instance)
		}
	}
	for _, event := range w.events {
		by := finished[event]
		if len(by) == 0 {
			r.Lost++
			continue
		}
		for _, instance := range by[:len(by)-1] {
			if _, killed := w.fleet.Killed()[instance]; killed {
				r.Reruns++
			} else {
				r.Twice++
			}
		}
	}
	return nil
}

// readJournal returns the entries of one instance.
func readJournal(dir string, id int) ([]entry, error) {
	file, err := os.Open(journalName(dir, id))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("rotation: journal: %w", err)
	}
	defer file.Close()
	var entries []entry
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var e entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("rotation: journal of instance %d: %w", id, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// statuses returns "200 × 1234, 503 × 5", in order.
func statuses(n map[int]int) string {
	var out []byte
	for _, status := range slices.Sorted(maps.Keys(n)) {
		if len(out) > 0 {
			out = append(out, ", "...)
		}
		name := fmt.Sprint(status)
		if status == 0 {
			name = "no answer"
		}
		out = fmt.Appendf(out, "%s x %d", name, n[status])
	}
	return string(out)
}
