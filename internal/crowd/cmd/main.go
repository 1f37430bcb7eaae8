// Command cmd puts a receiver before 10,000 connections of each kind and prints
// what memory it took:
//
//	go run ./internal/crowd/cmd
//
// It ends with status 1 if the bound was not kept. It needs as many open files as
// connections, in each of two processes.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"text/tabwriter"
	"time"

	"github.com/sonzaihook/sonzaihook/internal/crowd"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if os.Getenv(crowd.ServerEnv) != "" {
		return crowd.Serve()
	}
	connections := flag.Int("connections", 10_000, "connections at once, of each kind")
	asJSON := flag.Bool("json", false, "print one JSON object for each kind")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "clients\tconnections\tpeak\tper connection\tbound\tgone after\tsent again")
	err := crowd.Run(ctx, *connections, crowd.Recommended(), func(r crowd.Result) {
		if *asJSON {
			_ = json.NewEncoder(os.Stdout).Encode(r)
			return
		}
		fmt.Fprintf(table, "%s\t%d\t%d MiB\t%.1f KiB\t%d MiB\t%.1f s\t%d\n", r.Name, r.Connections,
			r.Peak>>20, float64(r.Each)/1024, r.Bound>>20, r.Gone.Round(100*time.Millisecond).Seconds(), r.Again)
	})
	if !*asJSON {
		_ = table.Flush()
	}
	return err
}
