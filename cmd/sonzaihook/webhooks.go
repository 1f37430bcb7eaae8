package main

import (
	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
)

func newWebhooks(c *console.Console) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webhooks",
		Short: "Manage the webhooks that are registered with the platform",
		Long: `Webhooks registers URLs with the platform, one for each event type, lists and deletes
them, shows what became of their deliveries, and asks for new signing secrets.

` + platformHelpLong,
		Example: `  sonzaihook webhooks register --all --url https://example.com/webhooks/sonzai --secret-file 'secrets/{event}'
  sonzaihook webhooks list
  sonzaihook webhooks attempts agent.message --failed`,
		Args: noneButCommands,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRegister(c), newWebhooksList(c), newDelete(c), newAttempts(c), newRotate(c))
	return cmd
}
