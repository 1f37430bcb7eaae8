package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

func newWebhooksList(c *console.Console) *cobra.Command {
	p := platform{console: c}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the registered webhooks",
		Long: `List shows the URL of each registered event type. The values of Authorization headers
and the signing secrets are not shown.

` + platformHelpLong,
		Example: `  sonzaihook webhooks list
  sonzaihook webhooks list --project proj_1 --json | jq -r .webhook_url`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return listWebhooks(cmd.Context(), &p) },
	}
	p.register(cmd)
	p.registerProject(cmd)
	return cmd
}

func listWebhooks(ctx context.Context, p *platform) error {
	webhooks, err := p.webhooks()
	if err != nil {
		return err
	}
	list, err := webhooks.List(ctx)
	if err != nil {
		return failure(err)
	}
	g := console.Grid{Headings: []string{"TYPE", "ACTIVE", "AUTH", "UPDATED", "URL"}}
	for _, w := range list {
		err := p.add(&g, w, console.Calm(w.EventType), yesNo(w.Active), console.Faint(setOrNone(w.AuthHeader)),
			console.Faint(p.ago(w.UpdatedAt)), console.Plain(w.URL))
		if err != nil {
			return err
		}
	}
	return p.show(&g, "no webhooks are registered; \"sonzaihook webhooks register\" adds one")
}

func yesNo(yes bool) console.Cell {
	if yes {
		return console.Good("yes")
	}
	return console.Warn("no")
}

func setOrNone(secret sonzaiapi.Secret) string {
	if secret == "" {
		return "none"
	}
	return "set"
}
