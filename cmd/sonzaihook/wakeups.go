package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

func newWakeups(c *console.Console) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wakeups",
		Short: "Have an agent turn to a user by itself",
		Long: `Wakeups schedules times at which an agent turns to a user by itself, which sends an
agent.wakeup event, and lists them.

` + platformHelpLong,
		Example: `  sonzaihook wakeups schedule --agent agent_luna --user user_42 --intent "ask how the recital went" --at 2h
  sonzaihook wakeups list --agent agent_luna`,
		Args: noneButCommands,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSchedule(c), newWakeupsList(c))
	return cmd
}

func newSchedule(c *console.Console) *cobra.Command {
	p, w, at := platform{console: c}, sonzaiapi.WakeupRequest{}, ""
	cmd := &cobra.Command{
		Use:   "schedule",
		Short: "Schedule a wakeup",
		Long: `Schedule asks an agent to turn to a user at a time. It is not tried again by itself,
since a second call would schedule a second wakeup.

` + platformHelpLong,
		Example: `  sonzaihook wakeups schedule --agent agent_luna --user user_42 --intent "ask how the recital went" --at 2h
  sonzaihook wakeups schedule --agent agent_luna --user user_42 --check-type birthday \
    --intent "wish a happy birthday" --at 2026-03-01T09:30:00Z`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return scheduleWakeup(cmd, &p, w, at) },
	}
	p.register(cmd)
	flags := cmd.Flags()
	flags.String("agent", "", "`id` of the agent")
	flags.StringVar(&w.UserID, "user", "", "`id` of the user to turn to")
	flags.StringVar(&w.Intent, "intent", "", "`why`: what the agent wants to do")
	flags.StringVar(&w.CheckType, "check-type", "check_in", "what `kind` of wakeup it is")
	flags.StringVar(&at, "at", "", "`time`: RFC 3339, Unix seconds, now, or from now on, as in 2h")
	flags.StringVar(&w.Occasion, "occasion", "", "tells the agent what the `occasion` is")
	flags.StringVar(&w.InterestTopic, "topic", "", "tells the agent which `topic` interests the user")
	flags.StringVar(&w.EventDescription, "event", "", "`describes` the event to the agent")
	requireFlags(cmd, "agent", "user", "intent", "at")
	return cmd
}

func scheduleWakeup(cmd *cobra.Command, p *platform, w sonzaiapi.WakeupRequest, at string) error {
	var err error
	if w.At, err = moment(at, p.console.Now()); err != nil {
		return fmt.Errorf("--at: %w", err)
	}
	if w.At.Before(p.console.Now()) {
		return errors.New("--at: the time is past")
	}
	client, err := p.client()
	if err != nil {
		return err
	}
	agent := cmd.Flag("agent").Value.String()
	scheduled, err := client.Agent(agent).ScheduleWakeup(cmd.Context(), w)
	if err != nil {
		return failure(err)
	}
	return p.tell(scheduled, line{
		console.Good("✓ "), console.Calm(scheduled.ID),
		console.Plain("  " + agent + " turns to " + w.UserID + " at " + day(scheduled.ScheduledAt)),
	})
}

func newWakeupsList(c *console.Console) *cobra.Command {
	p, agent, query := platform{console: c}, "", sonzaiapi.WakeupQuery{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the wakeups of an agent",
		Long: `List shows the wakeups of an agent, of any status unless --status says which.

` + platformHelpLong,
		Example: `  sonzaihook wakeups list --agent agent_luna
  sonzaihook wakeups list --agent agent_luna --status pending --json`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return listWakeups(cmd.Context(), &p, agent, query) },
	}
	p.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&agent, "agent", "", "`id` of the agent")
	flags.StringVar(&query.Status, "status", "", "only wakeups with this `status`, such as pending or executed")
	flags.IntVar(&query.Limit, "limit", 0, "show this `number` at most; 0 for the platform's default of 50")
	requireFlags(cmd, "agent")
	return cmd
}

func listWakeups(ctx context.Context, p *platform, agent string, query sonzaiapi.WakeupQuery) error {
	client, err := p.client()
	if err != nil {
		return err
	}
	list, err := client.Agent(agent).Wakeups(ctx, query)
	if err != nil {
		return failure(err)
	}
	g := console.Grid{Headings: []string{"WAKEUP", "USER", "STATUS", "SCHEDULED", "CHECK", "INTENT"}}
	for _, w := range list {
		status := console.Good(w.Status)
		if w.Status == "pending" {
			status = console.Warn(w.Status)
		}
		err := p.add(&g, w, console.Plain(w.ID), console.Faint(w.UserID), status,
			console.Faint(day(w.ScheduledAt)), console.Calm(w.CheckType), console.Plain(cmp.Or(w.Intent, w.Occasion)))
		if err != nil {
			return err
		}
	}
	return p.show(&g, "no wakeups")
}
