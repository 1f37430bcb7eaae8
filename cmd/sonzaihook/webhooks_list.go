package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

func newWebhooksList(a *app) *cobra.Command {
	p := platform{app: a}
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
	g := grid{headings: []string{"TYPE", "ACTIVE", "AUTH", "UPDATED", "URL"}}
	for _, w := range list {
		err := p.add(&g, w, cell{oneLine(w.EventType), calm}, yesNo(w.Active), cell{setOrNone(w.AuthHeader), faint},
			cell{p.app.ago(w.UpdatedAt), faint}, cell{oneLine(w.URL), plain})
		if err != nil {
			return err
		}
	}
	return p.show(&g, "no webhooks are registered; \"sonzaihook webhooks register\" adds one")
}

func yesNo(yes bool) cell {
	if yes {
		return cell{"yes", good}
	}
	return cell{"no", warn}
}

func setOrNone(secret sonzaiapi.Secret) string {
	if secret == "" {
		return "none"
	}
	return "set"
}
