package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

func newRegister(a *app) *cobra.Command {
	r := registering{platform: platform{app: a}}
	cmd := &cobra.Command{
		Use:   "register <type>… | --all",
		Short: "Set the URL to which events are delivered",
		Long: `Register sets the URL of one or more event types. {event} in it stands for the type.
The URL of a type that is registered already is replaced, and its secret stays.

The platform gives each new registration a signing secret and shows it only then: it
is printed once, or written to --secret-file.

` + platformHelpLong,
		Example: `  sonzaihook webhooks register agent.message --url https://example.com/webhooks/sonzai
  sonzaihook webhooks register --all --url 'https://example.com/webhooks/sonzai/{event}' --secret-file 'secrets/{event}'`,
		RunE: func(cmd *cobra.Command, args []string) error { return r.run(cmd.Context(), args) },
	}
	r.register(cmd)
	r.registerProject(cmd)
	r.types.register(cmd, "register all documented types")
	flags := cmd.Flags()
	flags.StringVar(&r.url, "url", "", "https `address` of your server; {event} in it stands for the event type")
	flags.StringVar(&r.auth, "auth-header", "", "`value` that the platform sends as Authorization with each delivery, or @file to read it from one")
	flags.StringVar(&r.files.pattern, "secret-file", "", secretFileHelp)
	if err := cmd.MarkFlagRequired("url"); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}

// registering is one run of the register command.
type registering struct {
	platform
	types eventTypes
	url   string
	auth  string
	files secretFiles
}

func (r *registering) run(ctx context.Context, args []string) error {
	types, err := r.types.documented(args)
	if err != nil {
		return err
	}
	if err := r.files.check(types); err != nil {
		return err
	}
	auth, err := reveal(r.auth)
	if err != nil {
		return fmt.Errorf("--auth-header: %w", err)
	}
	webhooks, err := r.webhooks()
	if err != nil {
		return err
	}
	return r.each(types, "registering", "registered", func(eventType string) (any, string, error) {
		target := sonzaiapi.Target{
			URL:        strings.ReplaceAll(r.url, eventPlace, eventType),
			AuthHeader: sonzaiapi.Secret(auth),
		}
		given, err := r.files.receive(eventType, func() (sonzaiapi.Secret, error) {
			return webhooks.Register(ctx, eventType, target)
		})
		done := registered{Type: eventType, URL: target.URL, Created: given.new(), secretGiven: given}
		return done, done.text(), err
	})
}

// registered is what became of one event type.
type registered struct {
	Type    string `json:"event_type"`
	URL     string `json:"webhook_url"`
	Created bool   `json:"created"`
	secretGiven
}

func (r registered) text() string {
	line := good.Render("✓ ") + calm.Render(r.Type) + "  " + r.URL + "\n"
	if r.Created {
		return line + r.describe()
	}
	return line + faint.Render("  was registered before: its URL is set, its secret stays; \"webhooks rotate\" asks for a new one")
}
