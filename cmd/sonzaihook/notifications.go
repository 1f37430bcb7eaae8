package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

func newNotifications(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notifications",
		Short: "Fetch what the platform cannot push",
		Long: `Notifications lists the messages that an agent has for its users, or all events of a
project, that wait to be fetched, and marks them as consumed. Poll does both, again
and again.

` + platformHelpLong,
		Example: `  sonzaihook notifications list --agent agent_luna
  sonzaihook notifications poll --project proj_1
  sonzaihook notifications consume --agent agent_luna msg_1 msg_2`,
		Args: noneButCommands,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newNotificationsList(a), newConsume(a), newHistory(a), newPoll(a))
	return cmd
}

// mailbox is the flags that say whose notifications a command is about: those of
// an agent, or those of a project.
type mailbox struct {
	platform
	agent     string
	eventType string
	user      string
	status    string
	limit     int
}

func (m *mailbox) registerOwner(cmd *cobra.Command) {
	m.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&m.agent, "agent", "", "`id` of the agent; with --project, only its events")
	flags.StringVar(&m.project, "project", "", "`id` of the project whose events are meant, instead of an agent's messages")
	flags.StringVar(&m.eventType, "type", "", "with --project, only events of this `type`")
}

// check refuses what names nobody, and filters that would have no effect.
func (m *mailbox) check() error {
	switch {
	case m.agent == "" && m.project == "":
		return errors.New("whose notifications? Give --agent or --project")
	case m.project == "" && m.eventType != "":
		return errors.New("--type needs --project: an agent has messages only")
	case m.project != "" && (m.user != "" || m.status != ""):
		return errors.New("--user and --status are for the messages of an agent, without --project")
	}
	if m.eventType != "" {
		m.eventType = named([]string{m.eventType})[0]
	}
	return nil
}

func newNotificationsList(a *app) *cobra.Command {
	m := mailbox{platform: platform{app: a}}
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
	g := grid{headings: []string{"MESSAGE", "USER", "STATUS", "WHEN", "TEXT"}}
	for _, n := range messages {
		err := m.add(&g, n, cell{oneLine(n.ID), plain}, cell{oneLine(n.UserID), faint}, cell{oneLine(n.Status), calm},
			cell{m.app.ago(n.CreatedAt), faint}, cell{"“" + oneLine(n.Message) + "”", plain})
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
	g := grid{headings: []string{"NOTIFICATION", "TYPE", "AGENT", "WHEN", "WHAT"}}
	for _, n := range events {
		err := m.add(&g, n, cell{oneLine(n.ID), plain}, cell{oneLine(n.EventType), calm}, cell{oneLine(n.AgentID), faint},
			cell{m.app.ago(n.CreatedAt), faint}, cell{describe(n.Payload), plain})
		if err != nil {
			return err
		}
	}
	return m.show(&g, "nothing waits")
}

func newHistory(a *app) *cobra.Command {
	m := mailbox{platform: platform{app: a}}
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
	if err := cmd.MarkFlagRequired("agent"); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}

func newConsume(a *app) *cobra.Command {
	m, all := mailbox{platform: platform{app: a}}, false
	cmd := &cobra.Command{
		Use:   "consume <id>… | --all",
		Short: "Mark notifications as consumed",
		Long: `Consume marks messages of an agent as consumed, or acknowledges events of a project,
so that they are not listed again.

` + platformHelpLong,
		Example: `  sonzaihook notifications consume --agent agent_luna msg_1 msg_2
  sonzaihook notifications consume --project proj_1 --all --type agent.mood_change`,
		RunE: func(cmd *cobra.Command, args []string) error { return m.consume(cmd.Context(), all, args) },
	}
	m.registerOwner(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "with --project, acknowledge all that wait, or those of --agent and --type")
	return cmd
}

func (m *mailbox) consume(ctx context.Context, all bool, ids []string) error {
	err := m.check()
	switch {
	case err != nil:
		return err
	case all && (len(ids) > 0 || m.project == ""):
		return errors.New("--all needs --project and takes no ids")
	case !all && len(ids) == 0:
		return errors.New("which notifications? Give their ids, as \"notifications list\" shows them")
	case !all && m.project != "" && (m.agent != "" || m.eventType != ""):
		return errors.New("--agent and --type choose from --all; with ids they have no effect")
	}
	client, err := m.client()
	if err != nil {
		return err
	}
	switch {
	case all:
		n, err := client.Project(m.project).AcknowledgeAll(ctx, m.agent, m.eventType)
		return m.consumed(n, -1, err)
	case m.project != "":
		n, err := client.Project(m.project).Acknowledge(ctx, ids...)
		return m.consumed(n, len(ids), err)
	}
	for i, id := range ids {
		if err := client.Agent(m.agent).Consume(ctx, id); err != nil {
			return errors.Join(failure(err), partly(ids[:i], "consumed"))
		}
	}
	return m.consumed(len(ids), len(ids), nil)
}

// consumed reports how many notifications changed. Fewer than were named is a
// failure: the platform does not say which ones it did not know.
func (m *mailbox) consumed(n, asked int, err error) error {
	if err != nil {
		return failure(err)
	}
	if m.json || n > 0 || asked < 0 {
		value := struct {
			Consumed int `json:"consumed"`
		}{n}
		err = m.tell(value, good.Render("✓ ")+counted(n, "notification")+" consumed")
	}
	if err == nil && n < asked {
		err = answerNo{fmt.Sprintf("%d of %d are not among what waits: \"notifications list --project %s\" shows it", asked-n, asked, m.project)}
	}
	return err
}
