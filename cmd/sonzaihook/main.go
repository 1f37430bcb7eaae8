// Command sonzaihook shows the receiver at work and helps to build and mend one:
// it runs a demo, signs bodies, sends deliveries, and says why a signature fails;
// it manages webhooks, polls and replays; and it simulates the platform.
//
//	go run github.com/sonzaihook/sonzaihook/cmd/sonzaihook demo
//
//go:generate go run . reference --markdown ../../docs/cli
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
)

func main() {
	// With SIGPIPE ignored, writing to a closed pipe is an error. A command can clean
	// up after it.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second one ends the program at once
	os.Exit(run(ctx, console.New(), os.Args[1:]))
}

// run runs one command line and returns its exit code.
func run(ctx context.Context, c *console.Console, args []string) int {
	root := newRoot(c)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	code := exitCode(ctx, err)
	switch code {
	case console.ExitYes, console.ExitClosed:
	case console.ExitInterrupted:
		_, _ = fmt.Fprintln(c.ErrOut, "sonzaihook: interrupted")
	default:
		report(c, cmd, args, err, code)
	}
	return code
}

func exitCode(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return console.ExitYes
	case console.IsNo(err):
		return console.ExitNo
	case errors.Is(err, console.ErrClosed):
		return console.ExitClosed
	case ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))):
		return console.ExitInterrupted
	}
	return console.ExitTrouble
}

// report prints an error: for a person and, with --json, as an object too.
func report(c *console.Console, cmd *cobra.Command, args []string, err error, code int) {
	line := console.ErrorLine(err)
	if line == "" {
		return // the output has said it
	}
	_, _ = fmt.Fprintln(c.ErrOut, line)
	flag := cmd.Flags().Lookup("json") // which is not set yet where another flag is wrong, or the command
	if !console.Printed(err) && (slices.Contains(args, "--json") || flag != nil && flag.Value.String() == "true") {
		_ = c.WriteJSON(struct {
			Error    string `json:"error"`
			ExitCode int    `json:"exit_code"`
		}{console.ErrorText(err), code})
	}
}
