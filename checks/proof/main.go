//go:build unix

package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/sonzaihook/sonzaihook/checks/internal/show"
)

func main() {
	logging.Disable() // a client logs each connection that is broken on purpose
	if err := prove(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// prove runs the long form, or is one of its receiver processes.
func prove() error {
	if os.Getenv(ReceiverEnv) != "" {
		return ServeReceiver()
	}
	c := Config{Lease: 3 * time.Second, Cuts: 0.05, Fail: 0.05, Hang: 300 * time.Millisecond}
	flag.Uint64Var(&c.Seed, "seed", rand.Uint64(), "where the faults come from; random unless given")
	flag.IntVar(&c.Events, "events", 2000, "events to send")
	flag.IntVar(&c.Copies, "copies", 3, "overlapping copies of each event")
	flag.IntVar(&c.Receivers, "receivers", 3, "receiver processes")
	flag.IntVar(&c.Kills, "kills", 50, "how many receivers are killed")
	flag.IntVar(&c.RedisFaults, "redis-faults", 20, "how often redis-server is killed, restarted, stalled, or loses its connections")
	flag.DurationVar(&c.Spread, "spread", 90*time.Second, "over which time the events are sent")
	asJSON := flag.Bool("json", false, "print the report as JSON")
	keep := flag.String("dir", "", "keep journals and redis files in this directory")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c.Dir = *keep
	if c.Dir == "" {
		dir, err := os.MkdirTemp("", "sonzaihook-proof-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		c.Dir = dir
	}
	c.Progress = show.Progress("proof")
	r, err := Run(ctx, c)
	if err != nil {
		return fmt.Errorf("seed %d: %w", c.Seed, err)
	}
	if *asJSON {
		if err := show.JSON(r); err != nil {
			return err
		}
	} else if err := r.WriteTable(os.Stdout); err != nil {
		return err
	}
	return r.Held()
}
