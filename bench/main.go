// Command bench sets sonzaihook beside what one would use instead of it: the same
// events on the same machine in the same run. It prints tables, and writes them
// to RESULTS.md.
//
//	cd bench && go run .                            everything, some ten minutes
//	cd bench && go run . -only handler,verify       two sections; RESULTS.md stays as it is
//	cd bench && go run . -only queues -backlog      with a million deliveries that wait, some minutes more
//	cd bench && go run . -quick                     seconds: proves that everything runs, says nothing of speed
//
// From the root of the project the same is "go -C bench run .": the peers are
// dependencies of this module alone, so "go run ./bench" does not reach it.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	// A refusal is logged at warn by default. Where the log goes is not what is
	// measured; one lane logs, to show what it adds.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type config struct {
	plan    plan
	only    []string
	quick   bool
	backlog bool
	out     string
	serve   string
}

func parse(args []string) (*config, error) {
	c := &config{}
	var only string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&c.plan.rounds, "rounds", 24, "how often each contender runs in each row, at least 1")
	flags.DurationVar(&c.plan.slice, "slice", 12*time.Millisecond, "how long it runs each time")
	flags.StringVar(&only, "only", "", "run only these sections, by comma: "+strings.Join(sectionNames(), ", "))
	flags.BoolVar(&c.quick, "quick", false, "run everything once, for a moment, and write nothing: proves that it runs")
	flags.BoolVar(&c.backlog, "backlog", false, "let the section queues measure a backlog of a million deliveries too, some minutes more")
	flags.StringVar(&c.out, "out", "RESULTS.md", "the Markdown file to write; empty for none, which is the default with -only")
	flags.StringVar(&c.serve, "serve", "", "be the server of one contender on loopback; used by the section server")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	outSet := false
	flags.Visit(func(f *flag.Flag) { outSet = outSet || f.Name == "out" })
	if only != "" && !outSet {
		c.out = ""
	}
	if c.quick {
		c.plan, c.out = plan{rounds: 1, slice: time.Millisecond}, ""
	}
	if c.plan.rounds < 1 || c.plan.slice <= 0 {
		return nil, fmt.Errorf("-rounds and -slice must be positive")
	}
	if only != "" {
		c.only = strings.Split(only, ",")
	}
	for _, name := range c.only {
		if !slices.Contains(sectionNames(), name) {
			return nil, fmt.Errorf("no section %q, there are %s", name, strings.Join(sectionNames(), ", "))
		}
	}
	return c, nil
}

func run(args []string) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	if c.serve != "" {
		return serve(c.serve, os.Stdin, os.Stdout)
	}
	runtime.GOMAXPROCS(1)
	var markdown bytes.Buffer
	p := newPaper(os.Stdout, &markdown)
	p.head(c)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal ends the process
	shared, err := newServers()
	if err != nil {
		return err
	}
	defer shared.stop()
	b := &bench{config: c, ctx: ctx, paper: p, servers: shared, progress: os.Stderr}
	for _, s := range sections {
		if len(c.only) > 0 && !slices.Contains(c.only, s.name) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.run(b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	b.targets()
	p.notes()
	if c.quick {
		b.say("everything runs; a quick run's figures mean nothing")
	}
	if c.out == "" {
		return nil
	}
	return os.WriteFile(c.out, markdown.Bytes(), 0o644)
}

// bench is one run of the sections.
type bench struct {
	*config
	ctx      context.Context // ends when the run is interrupted
	paper    *paper
	servers  *servers
	progress io.Writer
	reached  []reached
}

func (b *bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.progress, "bench: "+format+"\n", args...)
}

type section struct {
	name string
	run  func(*bench) error
}

var sections = []section{
	{"verify", (*bench).verify},
	{"handler", (*bench).handler},
	{"refusals", (*bench).refusals},
	{"secrets", (*bench).secrets},
	{"shapes", (*bench).shapes},
	{"server", (*bench).server},
	{"projects", (*bench).projects},
	{"stores", (*bench).stores},
	{"queues", (*bench).queues},
}

func sectionNames() []string {
	return []string{"verify", "handler", "refusals", "secrets", "shapes", "server", "projects", "stores", "queues"}
}
