package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

func newAttempts(c *console.Console) *cobra.Command {
	t := attemptsOptions{platform: platform{console: c}}
	cmd := &cobra.Command{
		Use:   "attempts <type>",
		Short: "Show what became of the deliveries of an event type",
		Long: `Attempts shows the platform's delivery log of an event type, the newest first: when an
attempt was made, for which event, what your server answered, and how long it took.
ANSWER is the code of a sonzaihook receiver; "unauthorized" and the like are explained
in docs/answers.md. --follow goes on and prints each new attempt as it is logged, until it
is interrupted.

The bodies hold what your users say. They are printed only with --bodies.

` + platformHelpLong,
		Example: `  sonzaihook webhooks attempts agent.message
  sonzaihook webhooks attempts agent.message --failed --since 2h
  sonzaihook webhooks attempts agent.message --follow
  sonzaihook webhooks attempts show evt_1
  sonzaihook webhooks attempts agent.message --json --bodies | jq .request_body`,
		RunE: func(cmd *cobra.Command, args []string) error { return t.run(cmd.Context(), args) },
	}
	cmd.ValidArgsFunction = completeOneName
	t.register(cmd)
	t.registerProject(cmd)
	flags := cmd.Flags()
	flags.IntVar(&t.limit, "limit", 50, "show this `number` of attempts at most; 0 for all")
	flags.BoolVar(&t.failed, "failed", false, "show only those that were not answered 2xx")
	flags.StringVar(&t.since, "since", "", sinceHelp)
	flags.BoolVar(&t.bodies, "bodies", false, "with --json, also print what was sent and answered")
	flags.BoolVar(&t.follow, "follow", false, "go on and print each new attempt, the oldest first")
	flags.DurationVar(&t.interval, "interval", 2*time.Second, "with --follow, how often to look")
	cmd.AddCommand(newAttemptsShow(c))
	return cmd
}

// attemptsOptions are the flags of the attempts command.
type attemptsOptions struct {
	platform
	limit    int
	failed   bool
	since    string
	bodies   bool
	follow   bool
	interval time.Duration
}

func (t *attemptsOptions) check(args []string) error {
	switch {
	case len(args) != 1:
		return errors.New("which event type? Name one, as in agent.message")
	case t.limit < 0:
		return errors.New("--limit: it must not be negative")
	case t.bodies && !t.json:
		return errors.New("--bodies needs --json")
	case t.follow && t.interval <= 0:
		return errors.New("--interval: it must be positive")
	}
	return nil
}

func (t *attemptsOptions) run(ctx context.Context, args []string) error {
	if err := t.check(args); err != nil {
		return err
	}
	since, err := past(t.since, t.console.Now())
	if err != nil {
		return err
	}
	webhooks, err := t.webhooks()
	if err != nil {
		return err
	}
	eventType := named(args)[0]
	if t.follow {
		ctx, stop := t.console.WhileRead(ctx)
		defer stop()
		return t.followLog(ctx, webhooks, eventType, since)
	}
	g := console.Grid{
		Headings: []string{"WHEN", "EVENT", "TRY", "STATUS", "ANSWER", "TIME", "ERROR"},
		Right:    []int{2, 3, 5},
		Spare:    []int{5},
	}
	progress := t.console.Progress()
	defer progress.Clear()
	walked, shown := 0, 0
	for attempt, err := range webhooks.Attempts(ctx, eventType, pageSize(t.limit)) {
		if err != nil {
			return failure(err)
		}
		walked++
		progress.Say("reading the delivery log: %d attempts", walked)
		if !t.wanted(attempt, since) {
			continue
		}
		if err := t.add(&g, attemptReport(attempt, t.bodies), t.row(attempt)...); err != nil {
			return err
		}
		if shown++; shown == t.limit {
			break
		}
	}
	progress.Clear()
	return t.show(&g, "no such attempts")
}

func (t *attemptsOptions) wanted(a sonzaiapi.Attempt, since time.Time) bool {
	return !a.CreatedAt.Before(since) && (!t.failed || !a.Delivered())
}

func (t *attemptsOptions) row(a sonzaiapi.Attempt) []console.Cell {
	return []console.Cell{
		console.Faint(t.ago(a.CreatedAt)), console.Calm(delivery.Field(a.RequestBody, delivery.IDKeys...)),
		console.Plain(fmt.Sprint(a.Number)), statusCell(a.ResponseCode),
		console.Status(a.ResponseCode, delivery.AnswerOf(a.ResponseCode, a.ResponseBody)),
		console.Faint(fmt.Sprintf("%d ms", a.DurationMS)), console.Plain(a.ErrorMessage),
	}
}
