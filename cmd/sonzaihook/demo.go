package main

import (
	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/demo"
)

func newDemo(c *console.Console) *cobra.Command {
	var options demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch a receiver and a simulated platform at work",
		Long: `Demo starts a receiver and a simulated platform on free ports of this machine and lets
them go the whole circle over real HTTP: the receiver subscribes; one event of each type
is pushed; the first delivery comes again, one comes tampered with, one an hour old; a
callback fails and the platform retries; an event is missed while the receiver is down,
and recovered from the delivery log; a message is polled; two projects share a receiver;
a queue takes an event whose callback cannot run yet; a secret is rotated under load; and
the receiver unsubscribes.

Each step is one line: what was sent, what the platform was told, and, last, what only
the receiver's callbacks and log know. Nothing leaves the machine.

The exit code is 0 if every outcome is the expected one, and 1 if not.`,
		Example: `  sonzaihook demo
  sonzaihook demo --json | jq -r '.outcome // empty'`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return demo.Run(cmd.Context(), c, options) },
	}
	cmd.Flags().BoolVar(&options.JSON, "json", false, "print one JSON object per line, the summary last")
	cmd.Flags().BoolVar(&options.Log, "log", false, "show the receiver's own log on the standard error")
	return cmd
}
