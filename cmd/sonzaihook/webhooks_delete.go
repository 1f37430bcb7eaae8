package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
)

func newDelete(c *console.Console) *cobra.Command {
	p, types := platform{console: c}, eventTypes{}
	cmd := &cobra.Command{
		Use:   "delete <type>… | --all",
		Short: "End the deliveries of event types",
		Long: `Delete removes the registration of one or more event types, and with it the signing
secret: registering the type again gives a new one. --all deletes what "webhooks list"
shows, types that are not documented included.

` + platformHelpLong,
		Example: `  sonzaihook webhooks delete agent.message
  sonzaihook webhooks delete --all --project proj_1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return deleteWebhooks(cmd.Context(), &p, types.all, args)
		},
	}
	p.register(cmd)
	p.registerProject(cmd)
	types.register(cmd, "delete all that are registered")
	return cmd
}

func deleteWebhooks(ctx context.Context, p *platform, all bool, args []string) error {
	chosen := eventTypes{all: all}
	if _, err := chosen.names(args); err != nil {
		return err
	}
	webhooks, err := p.webhooks()
	if err != nil {
		return err
	}
	types := named(args)
	if all {
		list, err := webhooks.List(ctx)
		if err != nil {
			return failure(err)
		}
		for _, w := range list {
			types = append(types, w.EventType)
		}
	}
	if len(types) == 0 {
		return p.show(&console.Grid{}, "no webhooks are registered")
	}
	return p.each(types, "deleting", "deleted", func(eventType string) (any, []line, error) {
		value := struct {
			Type    string `json:"event_type"`
			Deleted bool   `json:"deleted"`
		}{eventType, true}
		lines := []line{{console.Good("✓ "), console.Calm(eventType), console.Plain("  deleted")}}
		return value, lines, webhooks.Delete(ctx, eventType)
	})
}
