// Command crowd puts a receiver before many clients at once, most of which are slow
// or say nothing, and measures how much memory it takes:
//
//	go -C checks run ./crowd
//
// The receiver runs in a separate process, so that the clients' memory is not
// counted, behind an http.Server with [Timeouts]. The command opens 10,000
// connections of each kind and ends with status 1 if the bound was not kept. It
// needs as many open files as connections, in each of the two processes.
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
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if os.Getenv(ServerEnv) != "" {
		return Serve()
	}
	connections := flag.Int("connections", 10_000, "connections at once, of each kind")
	asJSON := flag.Bool("json", false, "print one JSON object for each kind")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "clients\tconnections\tpeak\tper connection\tbound\tgone after\tsent again")
	err := Run(ctx, *connections, Recommended(), func(r Result) {
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
