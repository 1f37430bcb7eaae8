package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/spf13/cobra"
)

func newDemo(a *app) *cobra.Command {
	d := demo{app: a, attempts: 6, load: 200}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch a receiver and a simulated platform at work",
		Long: `Demo starts a receiver and a simulated platform on free ports of this machine and lets
them go the whole circle over real HTTP: the receiver subscribes; one event of each type
is pushed; the first delivery comes again, one comes tampered with, one an hour old; a
callback fails and the platform retries; an event is missed while the receiver is down,
and recovered from the delivery log; a message is polled; a secret is rotated under
load; and the receiver unsubscribes.

Each step is one line: what was sent, what the platform was told, and, last, what only
the receiver's callbacks and log know. Nothing leaves the machine.

The exit code is 0 if every outcome is the expected one, and 1 if not.`,
		Example: `  sonzaihook demo
  sonzaihook demo --json | jq -r '.outcome // empty'`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&d.json, "json", false, "print one JSON object per line, the summary last")
	cmd.Flags().BoolVar(&d.log, "log", false, "show the receiver's own log on the standard error")
	return cmd
}

// demo is one run of the demo command.
type demo struct {
	app      *app
	json     bool
	log      bool
	attempts int // how often the platform tries
	load     int // how many events come while a secret is rotated
	// around is what a test puts round the receiver; nil leaves it as it is.
	around func(http.Handler) http.Handler
}

func (d *demo) run(ctx context.Context) error {
	progress := d.app.progress()
	defer progress.clear()
	s, err := d.stage(ctx)
	if err != nil {
		return err
	}
	played, err := s.play(ctx, progress)
	end, cancel := ending(ctx)
	defer cancel()
	if err = errors.Join(err, s.close(end)); err != nil {
		return err
	}
	progress.clear()
	if d.json {
		err = writeRows(d.app, played)
	} else {
		err = d.print(played)
	}
	if err == nil && played.unexpected() > 0 {
		err = answerNo{fmt.Sprintf("demo: %d of %d steps not as expected", played.unexpected(), len(played.rows))}
	}
	return err
}

func (d *demo) logger() *slog.Logger {
	if !d.log {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(d.app.errOut, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (d *demo) print(p performance) error {
	_, err := io.WriteString(d.app.paper(d.app.out), renderPerformance(p, width(d.app.out)))
	return err
}
