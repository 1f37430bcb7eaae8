// Command sonzaihook-queue looks at the queues that sqlhook keeps in a database, and
// runs or drops what is in them. It is a command apart from sonzaihook, so that who
// runs that one does not compile three database drivers.
//
//	go run github.com/sonzaihook/sonzaihook/cmd/sonzaihook/sonzaihook-queue stats --database sqlite:moods.db
//
//go:generate go run . reference --markdown ../../../docs/cli
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/reference"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, console.New(), os.Args[1:]))
}

// run runs one command line and returns its exit code.
func run(ctx context.Context, c *console.Console, args []string) int {
	root := newRoot(c)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return console.ExitYes
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return console.ExitInterrupted
	}
	_, _ = fmt.Fprintln(c.ErrOut, console.ErrorLine(err))
	if console.IsNo(err) {
		return console.ExitNo
	}
	return console.ExitTrouble
}

func newRoot(c *console.Console) *cobra.Command {
	q := &queueOptions{console: c}
	root := &cobra.Command{
		Use:   "sonzaihook-queue",
		Short: "Look at the queues of sqlhook, and run or drop what is in them",
		Long: `sonzaihook-queue works on the database in which sqlhook keeps its queues:

  --database sqlite:PATH
  --database postgres://user@host/name
  --database mysql:user@tcp(host:3306)/name

SONZAI_QUEUE_DATABASE stands in for the flag, so that a password need not stand in
the list of processes. Bodies are personal data: only show prints one.`,
		Example: `  sonzaihook-queue stats --database sqlite:moods.db
  sonzaihook-queue list --dead
  sonzaihook-queue retry --all-dead`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetIn(c.In)
	root.SetOut(c.Out)
	root.SetErr(c.ErrOut)
	flags := root.PersistentFlags()
	flags.StringVar(&q.database, "database", "", "the `database`; the default is that of SONZAI_QUEUE_DATABASE")
	flags.StringVar(&q.queue, "queue", "", "the `name` of the queue; may be left out where there is one")
	flags.StringVar(&q.namespace, "namespace", "", "the `namespace` of the store, if it has one")
	flags.BoolVar(&q.json, "json", false, "print one JSON object per line")
	root.AddCommand(newStats(q), newList(q), newShow(q), newRetry(q), newDrop(q),
		reference.Command("sonzaihook-queue", func() *cobra.Command { return newRoot(c) }))
	version.Add(root, c)
	return root
}
