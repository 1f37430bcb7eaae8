package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func newDemo(a *app) *cobra.Command {
	d := demo{app: a}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch a receiver take signed, replayed, tampered and stale deliveries",
		Long: `Demo starts a receiver on a free port of this machine and plays the platform: over
real HTTP it sends one signed delivery of each event type, the first of them again,
one whose body was changed after signing, one that was signed an hour ago, and one
whose callback fails at first, which is then retried.

Each delivery is one line: what was sent, what the platform was told, and, last, what
only the receiver's callbacks and log know. Nothing leaves the machine.

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
	app  *app
	json bool
	log  bool
	// around is what a test puts round the receiver; nil leaves it as it is.
	around func(http.Handler) http.Handler
}

func (d *demo) run(ctx context.Context) error {
	s, err := newStage("whsec_"+rand.Text(), d.logger())
	if err != nil {
		return err
	}
	var handler http.Handler = s.hooks
	if d.around != nil {
		handler = d.around(handler)
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks/sonzai", handler)
	address, stop, err := serve(ctx, mux)
	if err != nil {
		return err
	}
	played, err := s.play(ctx, "http://"+address+"/webhooks/sonzai", d.app.now)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err = errors.Join(err, s.hooks.Shutdown(ending), stop(ending)); err != nil {
		return err
	}
	if d.json {
		err = writeRows(d.app.out, played)
	} else {
		err = d.print(played)
	}
	if err == nil && played.unexpected() > 0 {
		err = answerNo{fmt.Sprintf("demo: %d of %d deliveries not as expected", played.unexpected(), len(played.rows))}
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

// serve serves the handler on a free port of the loopback interface. The returned
// function ends it and waits until it has ended.
func serve(ctx context.Context, handler http.Handler) (address string, stop func(context.Context) error, err error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	stop = func(ctx context.Context) error {
		err := server.Shutdown(ctx)
		if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
			err = errors.Join(err, ended)
		}
		return err
	}
	return listener.Addr().String(), stop, nil
}
