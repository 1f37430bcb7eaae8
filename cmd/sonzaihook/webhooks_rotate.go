package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

func newRotate(c *console.Console) *cobra.Command {
	r := rotateOptions{platform: platform{console: c}}
	cmd := &cobra.Command{
		Use:   "rotate <type>… | --all",
		Short: "Ask for a new signing secret",
		Long: `Rotate replaces the signing secret of one or more event types. The platform signs with
the new one at once and never shows it again: it is printed once, or written to
--secret-file. --all does so for each name of a documented type that is registered.

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
	r.types.register(cmd, "rotate the secrets of all documented types that are registered")
	cmd.Flags().StringVar(&r.files.pattern, "secret-file", "", secretFileHelp)
	return cmd
}

// rotateOptions are the flags of the rotate command.
type rotateOptions struct {
	platform
	types eventTypes
	files secretFiles
}

func (r *rotateOptions) run(ctx context.Context, args []string) error {
	types, err := r.types.names(args)
	if err != nil {
		return err
	}
	if err := r.files.of(r.project).check(types); err != nil {
		return err
	}
	webhooks, err := r.webhooks()
	if err != nil {
		return err
	}
	if r.types.all {
		if types, err = among(ctx, webhooks, types); err != nil {
			return err
		}
	}
	return r.each(types, "rotating the secret of", "rotated", func(eventType string) (any, []line, error) {
		given, err := r.files.of(r.project).receive(eventType, func() (sonzaiapi.Secret, error) {
			return webhooks.RotateSecret(ctx, eventType)
		})
		done := rotated{Type: eventType, secretGiven: given}
		return done, done.lines(), err
	})
}

// among returns those of the names that are registered.
func among(ctx context.Context, webhooks sonzaiapi.Webhooks, names []string) ([]string, error) {
	list, err := webhooks.List(ctx)
	if err != nil {
		return nil, failure(err)
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return !slices.ContainsFunc(list, func(w sonzaiapi.Webhook) bool { return w.EventType == name })
	})
	if len(names) == 0 {
		return nil, console.No("no documented type is registered: \"sonzaihook webhooks register\" does it")
	}
	return names, nil
}

// rotated is the result for one name.
type rotated struct {
	Type string `json:"event_type"`
	secretGiven
}

func (r rotated) lines() []line {
	head := line{console.Good("✓ "), console.Calm(r.Type), console.Plain("  has a new secret; the old one signs nothing any more")}
	return append([]line{head}, r.secretGiven.lines()...)
}
