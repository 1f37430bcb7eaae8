//go:build unix

package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"text/tabwriter"
	"time"

	"github.com/sonzaihook/sonzaihook/checks/internal/show"
)

func main() {
	if err := prove(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// prove runs the long form, or is one of its receiver processes.
func prove() error {
	if os.Getenv(receiverEnv) != "" {
		return serveReceiver()
	}
	c := Config{}
	flag.Uint64Var(&c.Seed, "seed", rand.Uint64(), "where the choices come from; random unless given")
	flag.IntVar(&c.Projects, "projects", 20, "projects, each with a secret that is rotated")
	flag.IntVar(&c.Instances, "instances", 3, "receiver processes")
	flag.IntVar(&c.Kills, "kills", 24, "how many of them are killed")
	flag.DurationVar(&c.For, "for", 90*time.Second, "for how long events happen and secrets rotate")
	flag.DurationVar(&c.Every, "every", 10*time.Millisecond, "the time between two events")
	asJSON := flag.Bool("json", false, "print the report as JSON")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "sonzaihook-rotation-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c.Dir = dir
	r, err := Run(ctx, c)
	if err != nil {
		return fmt.Errorf("seed %d: %w", c.Seed, err)
	}
	if *asJSON {
		err = show.JSON(r)
	} else {
		err = r.writeTable(os.Stdout)
	}
	if err != nil {
		return err
	}
	return r.Held()
}

// writeTable writes the report for people.
func (r Report) writeTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(what string, value any, remark string) {
		_, _ = fmt.Fprintf(t, "%s\t%v\t%s\n", what, value, remark)
	}
	row("seed", r.Seed, "")
	row("events", r.Events, fmt.Sprintf("in %d projects", r.Projects))
	row("receivers", r.Instances, "processes on one redis-server")
	row("attempts", r.Attempts, statuses(r.Answers))
	row("rotations", r.Rotations, fmt.Sprintf("%d took more than one call", r.Repaired))
	killed := 0
	for _, n := range r.Kills {
		killed += n
	}
	row("receivers killed", killed, "")
	for _, point := range points {
		row("", r.Kills[point], point[len("killed "):])
	}
	row("forged", r.Forged[401]+r.Forged[503], statuses(r.Forged))
	row("reruns", r.Reruns, "of what an instance had finished that was killed")
	row("refused for good", r.Refused, "deliveries that the platform signed")
	row("lost", r.Lost, "events that no run finished")
	row("twice", r.Twice, "runs of an event that was finished")
	row("believed", r.Believed, "forged deliveries")
	row("time", fmt.Sprintf("%.0f s", r.Seconds), "")
	return t.Flush()
}
