//go:build unix

package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/sonzaihook/sonzaihook"
)

// WriteTable writes the report for people.
func (r Report) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(what string, value any, remark string) {
		_, _ = fmt.Fprintf(t, "%s\t%v\t%s\n", what, value, remark)
	}
	row("seed", r.Seed, "")
	row("events", r.Events, fmt.Sprintf("%d overlapping copies of each", r.Copies))
	row("receivers", r.Receivers, "processes on one redis-server")
	row("attempts", r.Attempts, fmt.Sprintf("%d processed, %d duplicate, %d in flight, %d without an answer",
		r.Answers[sonzaihook.CodeProcessed], r.Answers[sonzaihook.CodeDuplicate], r.Answers[sonzaihook.CodeInFlight], r.Answers[""]))
	row("receivers killed", r.Kills(), r.kills())
	row("redis faults", r.Faults[RedisKilled]+r.Faults[RedisStopped]+r.Faults[RedisStalled]+r.Faults[RedisCut],
		fmt.Sprintf("%d killed, %d restarted, %d stalled, %d connections cut",
			r.Faults[RedisKilled], r.Faults[RedisStopped], r.Faults[RedisStalled], r.Faults[RedisCut]))
	row("connections cut", r.Faults[ClientCut], "between platform and receiver")
	row("runs", r.Runs, fmt.Sprintf("%d ended with an error, at most %d at once", r.Failed, r.InFlight))
	row("reruns", r.Reruns, fmt.Sprintf("at most %d allowed: faults x runs in flight", r.Bound))
	row("lost", r.Lost, "events that no run finished")
	row("unfounded 2xx", r.Unfounded, "before any run had finished")
	row("overlaps", r.Overlaps, "two runs of one event at a time")
	row("time", fmt.Sprintf("%.0f s", r.Seconds), "")
	return t.Flush()
}

func (r Report) kills() string {
	text := ""
	for i, point := range Points() {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%d %s", r.Faults[point], point[len("killed "):])
	}
	return text
}
