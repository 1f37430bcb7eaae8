package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

func newNotificationsList(c *console.Console) *cobra.Command {
	m := mailbox{platform: platform{console: c}}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the notifications that wait",
		Long: `List shows the messages of an agent that wait to be consumed, or the events of a
project that wait to be acknowledged. It changes nothing.

` + platformHelpLong,
		Example: `  sonzaihook notifications list --agent agent_luna --user user_42
  sonzaihook notifications list --project proj_1 --type agent.wakeup --json`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return m.list(cmd.Context()) },
	}
	m.registerOwner(cmd)
	flags := cmd.Flags()
	flags.StringVar(&m.user, "user", "", "only messages to the user with this `id`")
	flags.StringVar(&m.status, "status", "", "only messages with this `status`; the default is pending")
	flags.IntVar(&m.limit, "limit", 0, "show this `number` at most; 0 for the platform's default of 50")
	return cmd
}

func (m *mailbox) list(ctx context.Context) error {
	if err := m.check(); err != nil {
		return err
	}
	client, err := m.client()
	if err != nil {
		return err
	}
	if m.project == "" {
		query := sonzaiapi.AgentQuery{Status: m.status, UserID: m.user, Limit: m.limit}
		messages, err := client.Agent(m.agent).Notifications(ctx, query)
		return m.showMessages(messages, err)
	}
	query := sonzaiapi.ProjectQuery{AgentID: m.agent, EventType: m.eventType, Limit: m.limit}
	events, err := client.Project(m.project).Notifications(ctx, query)
	return m.showEvents(events, err)
}

func (m *mailbox) showMessages(messages []sonzaiapi.AgentNotification, err error) error {
	if err != nil {
		return failure(err)
	}
	g := console.Grid{Headings: []string{"MESSAGE", "USER", "STATUS", "WHEN", "TEXT"}}
	for _, n := range messages {
		err := m.add(&g, n, console.Plain(n.ID), console.Faint(n.UserID), console.Calm(n.Status),
			console.Faint(m.ago(n.CreatedAt)), console.Plain("“"+console.Clean(n.Message)+"”"))
		if err != nil {
			return err
		}
	}
	return m.show(&g, "no messages")
}

func (m *mailbox) showEvents(events []sonzaiapi.ProjectNotification, err error) error {
	if err != nil {
		return failure(err)
	}
	g := console.Grid{Headings: []string{"NOTIFICATION", "TYPE", "AGENT", "WHEN", "WHAT"}}
	for _, n := range events {
		err := m.add(&g, n, console.Plain(n.ID), console.Calm(n.EventType), console.Faint(n.AgentID),
			console.Faint(m.ago(n.CreatedAt)), console.Plain(delivery.Describe(n.Payload)))
		if err != nil {
			return err
		}
	}
	return m.show(&g, "nothing waits")
}

func newHistory(c *console.Console) *cobra.Command {
	m := mailbox{platform: platform{console: c}}
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List the messages of an agent, consumed ones included",
		Long: `History shows the messages of an agent, whatever their status.

` + platformHelpLong,
		Example: `  sonzaihook notifications history --agent agent_luna --limit 20`,
		Args:    atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := m.client()
			if err != nil {
				return err
			}
			messages, err := client.Agent(m.agent).History(cmd.Context(), m.limit)
			return m.showMessages(messages, err)
		},
	}
	m.register(cmd)
	cmd.Flags().StringVar(&m.agent, "agent", "", "`id` of the agent")
	cmd.Flags().IntVar(&m.limit, "limit", 0, "show this `number` at most; 0 for the platform's default of 50")
	requireFlags(cmd, "agent")
	return cmd
}
