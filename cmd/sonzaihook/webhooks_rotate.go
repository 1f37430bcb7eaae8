package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

func newRotate(a *app) *cobra.Command {
	r := rotating{platform: platform{app: a}}
	cmd := &cobra.Command{
		Use:   "rotate <type>… | --all",
		Short: "Ask for a new signing secret",
		Long: `Rotate replaces the signing secret of one or more event types. The platform signs with
the new one at once and never shows it again: it is printed once, or written to
--secret-file.

A server that does not have the new secret yet answers 401 to what is signed with it,
and the platform does not send that again; "sonzaihook replay" brings it in. A server
that asks for the secret itself, with upstream.Rotate, refuses nothing.

` + platformHelpLong,
		Example: `  sonzaihook webhooks rotate agent.message --secret-file secrets/agent.message
  sonzaihook webhooks rotate --all --secret-file 'secrets/{event}' --project proj_1`,
		RunE: func(cmd *cobra.Command, args []string) error { return r.run(cmd.Context(), args) },
	}
	r.register(cmd)
	r.registerProject(cmd)
	r.types.register(cmd, "rotate the secrets of all documented types")
	cmd.Flags().StringVar(&r.files.pattern, "secret-file", "", secretFileHelp)
	return cmd
}

// rotating is one run of the rotate command.
type rotating struct {
	platform
	types eventTypes
	files secretFiles
}

func (r *rotating) run(ctx context.Context, args []string) error {
	types, err := r.types.documented(args)
	if err != nil {
		return err
	}
	if err := r.files.check(types); err != nil {
		return err
	}
	webhooks, err := r.webhooks()
	if err != nil {
		return err
	}
	return r.each(types, "rotating the secret of", "rotated", func(eventType string) (any, string, error) {
		given, err := r.files.receive(eventType, func() (sonzaiapi.Secret, error) {
			return webhooks.RotateSecret(ctx, eventType)
		})
		done := rotated{Type: eventType, secretGiven: given}
		return done, done.text(), err
	})
}

// rotated is what became of one event type.
type rotated struct {
	Type string `json:"event_type"`
	secretGiven
}

func (r rotated) text() string {
	return good.Render("✓ ") + calm.Render(r.Type) + "  has a new secret; the old one signs nothing any more\n" + r.describe()
}
