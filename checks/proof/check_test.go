package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The checker, asked about histories that are written by hand. Times are in
// seconds after noon.

var noon = time.Unix(1_800_000_000, 0)

func at(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

// ran returns the entries of a run of "e".
func ran(id int, from, finish, leave float64) []Entry {
	e := Entry{Event: "e", Run: id, Instance: 1}
	entry := func(kind string, seconds float64) Entry {
		e.Kind, e.At = kind, at(seconds).UnixNano()
		return e
	}
	entries := []Entry{entry(Start, from)}
	if finish > 0 {
		entries = append(entries, entry(Finish, finish))
	}
	if leave > 0 {
		entries = append(entries, entry(Leave, leave))
	}
	return entries
}

// on moves entries to another instance.
func on(instance int, entries []Entry) []Entry {
	for i := range entries {
		entries[i].Instance = instance
	}
	return entries
}

func failed(id int, from, leave float64) []Entry {
	entries := ran(id, from, 0, leave)
	e := entries[0]
	e.Kind, e.At = Fail, at(leave).UnixNano()
	return append(entries, e)
}

func trouble(event string, seconds float64) Entry {
	return Entry{Kind: Trouble, Event: event, Instance: 1, At: at(seconds).UnixNano()}
}

func answer(status int, code string, sent, heard float64) Answer {
	return Answer{Event: "e", Status: status, Code: code, Sent: at(sent), Heard: at(heard)}
}

func killed(seconds float64) Fault {
	return Fault{Kind: MidRun, Instance: 1, From: at(seconds), Until: at(seconds)}
}

func TestTheCheckerTellsGoodHistoriesFromBad(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		h    History
		want string // in a violation; empty: there is none
	}{
		"one run, one answer": {
			h: History{Entries: ran(1, 1, 2, 2.1), Answers: []Answer{answer(200, "processed", 0.9, 2.2)}, Faultless: true},
		},
		"a 2xx before the run has finished": {
			h:    History{Entries: ran(1, 1, 2, 2.1), Answers: []Answer{answer(200, "duplicate", 1, 1.5)}},
			want: "answered 200 duplicate before any run had finished",
		},
		"a 2xx and no run at all": {
			h:    History{Answers: []Answer{answer(200, "processed", 1, 2)}},
			want: "before any run had finished",
		},
		"an event without a finished run": {
			h:    History{Entries: failed(1, 1, 2)},
			want: "e was lost",
		},
		"a final refusal": {
			h:    History{Entries: ran(1, 1, 2, 2.1), Answers: []Answer{answer(422, "rejected", 1, 2)}},
			want: "which is final",
		},
		"two runs at a time": {
			h:    History{Entries: append(ran(1, 1, 3, 3.1), ran(2, 3.05, 4, 4.1)...), Faults: []Fault{{Kind: RedisStalled, From: at(1), Until: at(3)}}},
			want: "before an earlier run had ended",
		},
		"a run beside one that nobody saw end": {
			h:    History{Entries: append(ran(1, 1, 0, 0), ran(2, 100, 101, 101)...), Faults: []Fault{{Kind: RedisStalled, From: at(1), Until: at(3)}}},
			want: "before an earlier run had ended",
		},
		"a rerun after a kill": {
			h: History{Entries: append(ran(1, 1, 0, 0), on(2, ran(1, 5, 6, 6))...), Faults: []Fault{killed(2)}},
		},
		"a rerun without a reason": {
			h:    History{Entries: append(ran(1, 1, 2, 2.1), ran(2, 3, 4, 4.1)...)},
			want: "ran again although nothing had happened",
		},
		"a rerun that a fault excuses in a history that had none": {
			h:    History{Entries: append(ran(1, 1, 2, 2.1), ran(2, 3, 4, 4.1)...), Faultless: true},
			want: "ran 2 times without a fault",
		},
		"a retry after an error": {
			h: History{Entries: append(failed(1, 1, 2), ran(2, 3, 4, 4.1)...)},
		},
		"more reruns than faults times runs in flight": {
			h: History{
				Entries: append(append(ran(1, 1, 2, 2.1), ran(2, 3, 4, 4.1)...), ran(3, 5, 6, 6.1)...),
				Faults:  []Fault{{Kind: RedisStalled, From: at(1), Until: at(6)}},
			},
			want: "2 reruns, more than 1 faults times 1 runs in flight",
		},
		"a copy put off while a run is under way": {
			h: History{Entries: ran(1, 1, 5, 5.1), Answers: []Answer{answer(503, "in_flight", 2, 2.1)}},
		},
		"a copy put off while nothing runs": {
			h:    History{Entries: failed(1, 1, 2), Answers: []Answer{answer(503, "in_flight", 4, 4.1)}},
			want: "put off although no run was under way",
		},
		"a copy put off after a release that failed": {
			h: History{
				Entries: slices.Concat(failed(1, 1, 2), []Entry{trouble("e", 2.1)}, ran(2, 6, 7, 7)),
				Answers: []Answer{answer(503, "in_flight", 4, 4.1)},
			},
		},
		"a copy put off after a release of another event that failed": {
			h: History{
				Entries: slices.Concat(failed(1, 1, 2), []Entry{trouble("another", 2.1)}, ran(2, 6, 7, 7)),
				Answers: []Answer{answer(503, "in_flight", 4, 4.1)},
			},
			want: "put off although no run was under way",
		},
		"a rerun after a commit that failed": {
			h: History{Entries: slices.Concat(ran(1, 1, 2, 2.1), []Entry{trouble("e", 2.2)}, ran(2, 6, 7, 7)), Faultless: true},
		},
		"a copy put off while a dead instance's claim lasts": {
			h: History{
				Entries: append(ran(1, 1, 0, 0), on(2, ran(1, 5, 6, 6))...), Faults: []Fault{killed(2)},
				Answers: []Answer{answer(503, "in_flight", 4, 4.1)},
			},
		},
		"a copy put off just before a kill after the claim is seen": {
			h: History{
				Entries: on(2, ran(1, 6, 7, 7)), Faults: []Fault{killed(2)},
				Answers: []Answer{answer(503, "in_flight", 1.9, 1.95)},
			},
		},
		"a copy put off long before a kill": {
			h: History{
				Entries: on(2, ran(1, 9, 10, 10)), Faults: []Fault{killed(5)},
				Answers: []Answer{answer(503, "in_flight", 1.9, 1.95)},
			},
			want: "put off although no run was under way",
		},
		"a copy put off long after a dead instance's claim": {
			h: History{
				Entries: append(ran(1, 1, 0, 0), on(2, ran(1, 15, 16, 16))...), Faults: []Fault{killed(2)},
				Answers: []Answer{answer(503, "in_flight", 12, 12.1)},
			},
			want: "put off although no run was under way",
		},
		"a connection that the platform cut excuses nothing": {
			h:    History{Entries: append(ran(1, 1, 2, 2.1), ran(2, 3, 4, 4.1)...), Faults: []Fault{{Kind: ClientCut, From: at(2), Until: at(2)}}},
			want: "ran again although nothing had happened",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.h.Events, c.h.Lease = []string{"e"}, 3*time.Second
			v := Check(c.h)
			if c.want == "" {
				require.Empty(t, v.Violations)
				return
			}
			require.Contains(t, strings.Join(v.Violations, "\n"), c.want)
		})
	}
}
