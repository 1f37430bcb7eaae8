package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

func newPoll(c *console.Console) *cobra.Command {
	p := pollOptions{mailbox: mailbox{platform: platform{console: c}}}
	cmd := &cobra.Command{
		Use:   "poll",
		Short: "Print notifications as they come, and consume them",
		Long: `Poll fetches the messages of an agent, or the events of a project, prints each and
then consumes it, until it is interrupted. Where nothing comes it asks less often.

What it has printed is not listed again, also not for your server: use "notifications
list" to look without taking.

` + platformHelpLong,
		Example: `  sonzaihook notifications poll --agent agent_luna
  sonzaihook notifications poll --project proj_1 --type agent.wakeup --once --json | jq .event`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return p.run(cmd.Context()) },
	}
	p.registerOwner(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&p.once, "once", false, "end when all that waits has been fetched")
	flags.DurationVar(&p.shortest, "interval", upstream.DefaultShortest, "how long to wait after something came")
	flags.DurationVar(&p.longest, "longest", upstream.DefaultLongest, "how long to wait at most while nothing comes")
	return cmd
}

// pollOptions are the flags of the poll command.
type pollOptions struct {
	mailbox
	once     bool
	shortest time.Duration
	longest  time.Duration
}

func (p *pollOptions) run(ctx context.Context) error {
	if err := p.check(); err != nil {
		return err
	}
	if p.project != "" && p.agent != "" {
		return errors.New("give --agent or --project, not both: poll takes all events of a project")
	}
	client, err := p.client()
	if err != nil {
		return err
	}
	printer := &printer{console: p.console, json: p.json}
	hooks, err := printer.receiver()
	if err != nil {
		return err
	}
	// Wrong keys and unknown projects end the command before it waits for events.
	if err := p.probe(ctx); err != nil {
		return failure(err)
	}
	ctx, stop := p.console.WhileRead(ctx)
	defer stop()
	return p.poll(ctx, hooks, client, printer)
}

func (p *pollOptions) poll(ctx context.Context, hooks *sonzaihook.Receiver, client *sonzaiapi.Client, printer *printer) (err error) {
	options := []upstream.Option{
		upstream.WithInterval(p.shortest, max(p.shortest, p.longest)),
		upstream.WithLogger(slog.New(troubles(p.console))),
	}
	if p.once {
		options = append(options, upstream.WithOnce())
	}
	if p.eventType != "" {
		options = append(options, upstream.WithTypes(sonzaihook.EventType(p.eventType)))
	}
	if !p.once {
		p.console.Remark(console.Faint("polling; interrupt to end"))
	}
	if p.project != "" {
		err = upstream.PollProject(ctx, hooks, client.Project(p.project), options...)
	} else {
		err = upstream.PollAgent(ctx, hooks, client.Agent(p.agent), options...)
	}
	if ctx.Err() == nil && err != nil {
		return failure(err)
	}
	if !p.json {
		p.console.Remark(console.Faint(console.Counted(printer.count(), "event") + " fetched"))
	}
	return nil
}

// probe asks for one notification, to see whether the platform answers.
func (p *pollOptions) probe(ctx context.Context) error {
	client, err := p.client()
	if err != nil {
		return err
	}
	if p.project != "" {
		_, err = client.Project(p.project).Notifications(ctx, sonzaiapi.ProjectQuery{Limit: 1})
		return err
	}
	_, err = client.Agent(p.agent).Notifications(ctx, sonzaiapi.AgentQuery{Limit: 1})
	return err
}

// troubles returns a log handler that tells a person what goes wrong meanwhile. It
// quotes what could drive a terminal.
func troubles(c *console.Console) slog.Handler {
	return slog.NewTextHandler(c.ErrOut, &slog.HandlerOptions{
		Level: slog.LevelWarn,
		ReplaceAttr: func(groups []string, attr slog.Attr) slog.Attr {
			if len(groups) == 0 && attr.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return attr
		},
	})
}
