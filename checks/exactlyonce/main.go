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
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sonzaihook/sonzaihook"
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
	c := Config{Copies: 3, Instances: 3, Lease: 2 * time.Second}
	databases := flag.String("databases", "", "what to run on; empty for all")
	flag.Uint64Var(&c.Seed, "seed", rand.Uint64(), "where the faults come from; random unless given")
	flag.BoolVar(&c.Queue, "queue", false, "hand the deliveries to sqlhook's queue")
	flag.IntVar(&c.Events, "events", 2000, "events to send, each in three copies")
	flag.DurationVar(&c.Spread, "spread", 40*time.Second, "over which time the events are sent")
	flag.IntVar(&c.Kills, "kills", 35, "how many processes are killed")
	flag.IntVar(&c.Freezes, "freezes", 8, "how many are stopped for longer than a lease")
	flag.IntVar(&c.Crashes, "crashes", 6, "how often the database is killed and restarted")
	asJSON := flag.Bool("json", false, "print the reports as JSON")
	flag.Parse()
	if *databases == "" {
		*databases = strings.Join(Databases, ",")
		if c.Queue {
			*databases = strings.Join(queued, ",")
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var reports []Report
	for _, name := range strings.Split(*databases, ",") {
		r, err := proveOn(ctx, c, name)
		if err != nil {
			return fmt.Errorf("%s, seed %d: %w", name, c.Seed, err)
		}
		reports = append(reports, r)
	}
	if *asJSON {
		if err := show.JSON(reports); err != nil {
			return err
		}
	} else if err := writeTable(os.Stdout, reports); err != nil {
		return err
	}
	for _, r := range reports {
		if err := r.Held(); err != nil {
			return err
		}
	}
	return nil
}

func proveOn(ctx context.Context, c Config, name string) (Report, error) {
	dir, err := os.MkdirTemp("", "sonzaihook-exactlyonce-")
	if err != nil {
		return Report{}, err
	}
	defer os.RemoveAll(dir)
	c.Dir, c.Database = dir, name
	c.Progress = show.Progress(name)
	return Run(ctx, c)
}

// writeTable writes the reports for people, a column each.
func writeTable(w io.Writer, reports []Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(what string, value func(r Report) any) {
		_, _ = fmt.Fprint(t, what)
		for _, r := range reports {
			_, _ = fmt.Fprintf(t, "\t%v", value(r))
		}
		_, _ = fmt.Fprintln(t)
	}
	_, _ = fmt.Fprintf(t, "seed %d\n", reports[0].Seed)
	row("", func(r Report) any { return r.Database })
	row("events", func(r Report) any { return fmt.Sprintf("%d x %d", r.Events, r.Copies) })
	row("attempts", func(r Report) any { return r.Attempts })
	codes := []string{sonzaihook.CodeProcessed, sonzaihook.CodeDuplicate}
	if reports[0].Queue {
		codes = []string{sonzaihook.CodeQueued}
	}
	for _, code := range codes {
		row("  "+code, func(r Report) any { return r.Answers[code] })
	}
	row("  put off or failed", func(r Report) any {
		n := r.Attempts - r.Answers[""]
		for _, code := range codes {
			n -= r.Answers[code]
		}
		return n
	})
	row("  without an answer", func(r Report) any { return r.Answers[""] })
	for _, point := range points(reports[0].Queue) {
		row(point, func(r Report) any { return r.Kills[point] })
	}
	row("stopped past their lease", func(r Report) any { return r.Freezes })
	row("database killed", func(r Report) any { return r.Crashes })
	row("rows", func(r Report) any { return r.Rows })
	row("lost", func(r Report) any { return r.Lost })
	row("double", func(r Report) any { return r.Doubled })
	row("time", func(r Report) any { return fmt.Sprintf("%.0f s", r.Seconds) })
	return t.Flush()
}
