package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

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
		if p.json {
			if err := p.app.write(w); err != nil {
				return err
			}
			continue
		}
		g.row(cell{oneLine(w.EventType), calm}, yesNo(w.Active), cell{setOrNone(w.AuthHeader), faint},
			cell{p.app.ago(w.UpdatedAt), faint}, cell{oneLine(w.URL), plain})
	}
	return p.show(&g, "no webhooks are registered; \"sonzaihook webhooks register\" adds one")
}

// show prints a table, or a line that says that it would be empty.
func (p *platform) show(g *grid, empty string) error {
	if p.json {
		return nil
	}
	text := faint.Render(empty)
	if len(g.rows) > 0 {
		text = g.render(width(p.app.out))
	}
	_, err := io.WriteString(p.app.paper(p.app.out), text+"\n")
	return err
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

// ago writes a time of the platform for people: how long ago it was, or the day.
func (a *app) ago(t sonzaiapi.Time) string {
	if t.Time.IsZero() {
		return oneLine(t.Text)
	}
	switch past := a.now().Sub(t.Time); {
	case past < 0, past > 14*24*time.Hour:
		return t.UTC().Format("2006-01-02 15:04Z")
	case past > 48*time.Hour:
		return fmt.Sprintf("%d days ago", int(past.Hours()/24))
	case past > time.Hour:
		return fmt.Sprintf("%d h ago", int(past.Hours()))
	case past > time.Minute:
		return fmt.Sprintf("%d min ago", int(past.Minutes()))
	case past > time.Second:
		return fmt.Sprintf("%d s ago", int(past.Seconds()))
	}
	return "now"
}

func newDelete(a *app) *cobra.Command {
	p, types := platform{app: a}, eventTypes{}
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
	if _, err := chosen.documented(args); err != nil {
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
	progress := p.app.progress()
	defer progress.clear()
	for i, eventType := range types {
		progress.say("deleting %s (%d of %d)", eventType, i+1, len(types))
		if err := webhooks.Delete(ctx, eventType); err != nil {
			return errors.Join(rotateFailure(err, eventType), partly(types[:i], "deleted"))
		}
		progress.clear()
		if err := p.deleted(eventType); err != nil {
			return err
		}
	}
	if len(types) == 0 {
		return p.show(&grid{}, "no webhooks are registered")
	}
	return nil
}

func (p *platform) deleted(eventType string) error {
	if p.json {
		return p.app.write(struct {
			Type    string `json:"event_type"`
			Deleted bool   `json:"deleted"`
		}{eventType, true})
	}
	_, err := fmt.Fprintln(p.app.paper(p.app.out), good.Render("✓ ")+calm.Render(oneLine(eventType))+"  deleted")
	return err
}

// oneLine keeps a text of the platform from breaking lines or driving the
// terminal.
func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if printable(r) != r {
			return ' '
		}
		return r
	}, text)), " ")
}
