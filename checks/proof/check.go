package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// settling is how long a claim may stay open after its run. The receiver allows its
// store a second for each call.
const settling = 1500 * time.Millisecond

// Verdict is what [Check] found. All is well if Violations is empty.
type Verdict struct {
	Runs       int      `json:"runs"`        // callbacks entered
	Failed     int      `json:"failed_runs"` // that ended with an error
	Reruns     int      `json:"reruns"`      // runs of an event that an earlier run had finished, or had died of
	Bound      int      `json:"rerun_bound"` // faults times runs in flight
	InFlight   int      `json:"most_in_flight"`
	Lost       int      `json:"lost"`      // events that no run finished
	Unfounded  int      `json:"unfounded"` // 2xx before a run had finished
	Overlaps   int      `json:"overlaps"`  // pairs of runs of one event at a time
	Violations []string `json:"violations"`
}

// run is one callback from its entry to its end.
type run struct {
	event      string
	start, end time.Time
	finished   time.Time // zero: it did not
	failed     bool
}

// Check compares the journals of the receivers with the answers that the platform
// received.
func Check(h History) Verdict {
	h.Entries = resolved(h.Entries)
	c := checker{History: h, runs: runsOf(h)}
	c.count()
	c.answers()
	c.lost()
	c.overlaps()
	c.reruns()
	c.idleClaims()
	return c.Verdict
}

type checker struct {
	History
	Verdict
	runs map[string][]run // by event, in the order of their starts
}

func (c *checker) violate(format string, args ...any) {
	c.Violations = append(c.Violations, fmt.Sprintf(format, args...))
}

// resolved returns the entries with the event of each call to the store that failed.
func resolved(entries []Entry) []Entry {
	events := map[string]string{}
	for _, e := range entries {
		if e.Kind == Start {
			events[e.Key] = e.Event
		}
	}
	entries = slices.Clone(entries)
	for i, e := range entries {
		if e.Kind == Trouble && e.Event == "" {
			entries[i].Event = events[e.Key]
		}
	}
	return entries
}

// runsOf groups the entries by run. A run without an end died with its instance.
func runsOf(h History) map[string][]run {
	type id struct{ instance, run int }
	deaths := map[int]time.Time{}
	for _, f := range h.Faults {
		if f.Instance != 0 {
			deaths[f.Instance] = f.Until
		}
	}
	all := map[id]*run{}
	for _, e := range h.Entries {
		if e.Kind == Trouble {
			continue
		}
		r := all[id{e.Instance, e.Run}]
		if r == nil {
			r = &run{event: e.Event, end: time.Unix(1<<40, 0)}
			if death, died := deaths[e.Instance]; died {
				r.end = death
			}
			all[id{e.Instance, e.Run}] = r
		}
		at := time.Unix(0, e.At)
		switch e.Kind {
		case Start:
			r.start = at
		case Finish:
			r.finished = at
		case Fail:
			r.failed = true
		case Leave:
			r.end = at
		}
	}
	byEvent := map[string][]run{}
	for _, r := range all {
		byEvent[r.event] = append(byEvent[r.event], *r)
	}
	for _, runs := range byEvent {
		slices.SortFunc(runs, func(a, b run) int { return a.start.Compare(b.start) })
	}
	return byEvent
}

// count counts the runs and the largest number of them at one time.
func (c *checker) count() {
	type step struct {
		at time.Time
		by int
	}
	var steps []step
	for _, runs := range c.runs {
		for _, r := range runs {
			c.Runs++
			if r.failed {
				c.Failed++
			}
			steps = append(steps, step{r.start, 1}, step{r.end, -1})
		}
	}
	slices.SortFunc(steps, func(a, b step) int { return cmp.Or(a.at.Compare(b.at), a.by-b.by) })
	now := 0
	for _, s := range steps {
		now += s.by
		c.InFlight = max(c.InFlight, now)
	}
}

// answers: every 2xx has a run that had finished when it was heard, and nothing
// but 2xx ends a delivery.
func (c *checker) answers() {
	for _, a := range c.Answers {
		if a.Status >= 300 && a.Status < 500 {
			c.violate("%s copy %d was answered %d %s, which is final", a.Event, a.Copy, a.Status, a.Code)
		}
		if !a.Taken() {
			continue
		}
		if !slices.ContainsFunc(c.runs[a.Event], func(r run) bool { return !r.finished.IsZero() && !r.finished.After(a.Heard) }) {
			c.Unfounded++
			c.violate("%s copy %d was answered %d %s before any run had finished", a.Event, a.Copy, a.Status, a.Code)
		}
	}
}

// lost: every event that was sent has a finished run in the end.
func (c *checker) lost() {
	for _, event := range c.Events {
		if !slices.ContainsFunc(c.runs[event], func(r run) bool { return !r.finished.IsZero() }) {
			c.Lost++
			c.violate("%s was lost: no run finished", event)
		}
	}
}

// overlaps: no two runs of one event at a time.
func (c *checker) overlaps() {
	for event, runs := range c.runs {
		var busy time.Time
		for _, r := range runs {
			if r.start.Before(busy) {
				c.Overlaps++
				c.violate("%s ran again %v before an earlier run had ended", event, busy.Sub(r.start))
			}
			if r.end.After(busy) {
				busy = r.end
			}
		}
	}
}

// reruns: only a fault makes an event run again that had run without an error of
// its own, and no more often than runs were in flight. A call to the store that
// failed is a fault that struck one run.
func (c *checker) reruns() {
	faults, unplanned := 0, 0
	for _, f := range c.Faults {
		if f.Kind != ClientCut {
			faults++
		}
	}
	for event, runs := range c.runs {
		for i, r := range runs[:max(len(runs)-1, 0)] {
			next := runs[i+1].start
			if !r.failed {
				c.Reruns++
			}
			switch {
			case c.excused(r.start, next) && !c.Faultless:
			case c.troubled(event, r.start, next, c.hopeless):
				unplanned++
			case !r.failed && c.troubled(event, r.start, next, anyCall):
				c.violate("%s ran again although its commit could have been tried again", event)
			case c.Faultless:
				c.violate("%s ran %d times without a fault", event, len(runs))
			case !r.failed:
				c.violate("%s ran again although nothing had happened", event)
			}
		}
	}
	c.Bound = faults*c.InFlight + unplanned
	if c.Reruns > c.Bound {
		c.violate("%d reruns, more than %d faults times %d runs in flight", c.Reruns, faults, c.InFlight)
	}
}

// excused reports whether a fault fell into a stretch of time.
func (c *checker) excused(from, until time.Time) bool {
	return slices.ContainsFunc(c.Faults, func(f Fault) bool {
		return f.Kind != ClientCut && !f.Until.Before(from) && !f.From.After(until)
	})
}

// troubled reports whether such a call to the store for the event failed in a
// stretch of time.
func (c *checker) troubled(event string, from, until time.Time, such func(Entry) bool) bool {
	return slices.ContainsFunc(c.Entries, func(e Entry) bool {
		return e.Kind == Trouble && e.Event == event && e.At >= from.UnixNano() && e.At <= until.UnixNano() && such(e)
	})
}

func anyCall(Entry) bool { return true }

// hopeless reports whether the receiver could not make good a call that failed. A
// commit can be tried again while the lease lasts.
func (c *checker) hopeless(e Entry) bool { return e.Call != CommitCall || e.Left <= c.Lease/3 }

// idleClaims: a copy is put off only while a run is under way, or was until just
// now; otherwise its claim was not released. A fault may leave one until its lease
// ends; that an instance was killed is seen a little later than it happens.
func (c *checker) idleClaims() {
	for _, a := range c.Answers {
		if a.Code != sonzaihook.CodeInFlight {
			continue
		}
		running := slices.ContainsFunc(c.runs[a.Event], func(r run) bool {
			return !r.start.After(a.Heard.Add(settling)) && !r.end.Add(settling).Before(a.Sent)
		})
		from, until := a.Sent.Add(-c.Lease-2*settling), a.Heard.Add(settling)
		if !running && !c.excused(from, until) && !c.troubled(a.Event, from, until, anyCall) {
			c.violate("%s copy %d was put off although no run was under way", a.Event, a.Copy)
		}
	}
}
