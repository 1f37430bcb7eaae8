package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
)

func newConsume(c *console.Console) *cobra.Command {
	m, all := mailbox{platform: platform{console: c}}, false
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
		err = m.tell(value, line{console.Good("✓ "), console.Plain(console.Counted(n, "notification") + " consumed")})
	}
	if err == nil && n < asked {
		err = console.No(fmt.Sprintf("%d of %d are not among what waits: \"notifications list --project %s\" shows it", asked-n, asked, m.project))
	}
	return err
}
