// Package demo lets a receiver and a simulated platform go the whole circle over
// real HTTP on this machine, and compares each step with its expectation.
package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
)

// Options are the choices of one run.
type Options struct {
	JSON bool // print one JSON object a line, the summary last
	Log  bool // show the receiver's log on the standard error
}

// Run runs the demo and prints its steps. If one is not as expected, the error is a
// [console.NoAsPrinted].
func Run(ctx context.Context, c *console.Console, o Options) error {
	return (&demo{console: c, options: o, attempts: 4, load: 200}).run(ctx)
}

// demo is one run. Tests set the fields that Options lacks.
type demo struct {
	console  *console.Console
	options  Options
	attempts int // how often the platform tries
	load     int // how many events come while a secret is rotated
	// wrap puts something around the receiver; nil leaves it as it is.
	wrap func(http.Handler) http.Handler
}

func (d *demo) run(ctx context.Context) error {
	progress := d.console.Progress()
	defer progress.Clear()
	r, err := d.play(ctx, progress)
	if err != nil {
		return err
	}
	progress.Clear()
	if d.options.JSON {
		err = writeJSON(d.console, r)
	} else {
		err = d.console.Write(render(r, d.console.Width()))
	}
	if err == nil && r.unexpected() > 0 {
		err = console.NoAsPrinted(fmt.Sprintf("demo: %d of %d steps not as expected", r.unexpected(), len(r.rows)))
	}
	return err
}

// play sets the scenario up, plays it and takes it down.
func (d *demo) play(ctx context.Context, progress *console.Progress) (result, error) {
	s := newScenario(d.console.Now, d.logger(), d.attempts, d.load)
	err := s.open(ctx, d.wrap)
	var played result
	if err == nil {
		played, err = s.play(ctx, progress)
	}
	end, cancel := delivery.Ending(ctx)
	defer cancel()
	return played, errors.Join(err, s.close(end))
}

func (d *demo) logger() *slog.Logger {
	if !d.options.Log {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(d.console.ErrOut, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
