package main

import (
	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
)

func newNotifications(c *console.Console) *cobra.Command {
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
	cmd.AddCommand(newNotificationsList(c), newConsume(c), newHistory(c), newPoll(c))
	return cmd
}
