package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

func newRegister(c *console.Console) *cobra.Command {
	r := registerOptions{platform: platform{console: c}}
	cmd := &cobra.Command{
		Use:   "register <type>… | --all",
		Short: "Set the URL to which events are delivered",
		Long: `Register sets the URL of one or more event types. {event} in it stands for the
type, and {project} for the project.
The URL of a type that is registered already is replaced, and its secret stays.

Some types have two names, such as agent.wakeup and on_wakeup_ready. Each is a
registration with its own secret, and which of them your tenant hears is not known.
A name that is given goes to the platform as it is. --all registers every known name
of each documented type, and reports a name that the platform refuses.

The platform gives each new registration a signing secret and shows it only then: it
is printed once, or written to --secret-file.

` + platformHelpLong,
		Example: `  sonzaihook webhooks register agent.message --url https://example.com/webhooks/sonzai
  sonzaihook webhooks register --all --url 'https://example.com/webhooks/sonzai/{event}' --secret-file 'secrets/{event}'`,
		RunE: func(cmd *cobra.Command, args []string) error { return r.run(cmd.Context(), args) },
	}
	r.register(cmd)
	r.registerProject(cmd)
	r.types.register(cmd, "register every known name of each documented type")
	flags := cmd.Flags()
	flags.StringVar(&r.url, "url", "", "https `address` of your server; "+placesHelp)
	flags.StringVar(&r.auth, "auth-header", "", "`value` that the platform sends as Authorization with each delivery, or @file to read it from one")
	flags.StringVar(&r.files.pattern, "secret-file", "", secretFileHelp)
	requireFlags(cmd, "url")
	return cmd
}

// registerOptions are the flags of the register command.
type registerOptions struct {
	platform
	types eventTypes
	url   string
	auth  string
	files secretFiles
}

func (r *registerOptions) run(ctx context.Context, args []string) error {
	types, err := r.types.names(args)
	if err != nil {
		return err
	}
	if err := r.files.of(r.project).check(types); err != nil {
		return err
	}
	if err := checkPlaces("--url", r.url, r.project); err != nil {
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
	var accepted []string
	err = r.each(types, "registering", "registered", func(eventType string) (any, []line, error) {
		target := sonzaiapi.Target{URL: place{r.project, eventType}.url(r.url), AuthHeader: sonzaiapi.Secret(auth)}
		given, err := r.files.of(r.project).receive(eventType, func() (sonzaiapi.Secret, error) {
			return webhooks.Register(ctx, eventType, target)
		})
		done := registered{Type: eventType, URL: target.URL, Created: given.new(), secretGiven: given}
		if r.types.all && refused(err, len(accepted) > 0) {
			done.Refused = console.ErrorText(failure(err))
			return done, done.lines(), nil
		}
		accepted = append(accepted, eventType)
		return done, done.lines(), err
	})
	if err != nil {
		return err
	}
	return unregistered(types, accepted)
}

// refused reports whether the platform refuses this name and not the whole call. Not
// found means the name only if another one was registered before; otherwise it is
// the project that does not exist.
func refused(err error, before bool) bool {
	e, ok := errors.AsType[*sonzaiapi.Error](err)
	if !ok {
		return false
	}
	switch e.Status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity:
		return true
	case http.StatusNotFound:
		return before
	}
	return false
}

// unregistered returns an error if the platform refused all names of a type.
func unregistered(types, accepted []string) error {
	var without []string
	for _, name := range types {
		t := string(sonzaihook.CanonicalType(name))
		same := func(other string) bool { return string(sonzaihook.CanonicalType(other)) == t }
		if !slices.ContainsFunc(accepted, same) && !slices.Contains(without, t) {
			without = append(without, t)
		}
	}
	if len(without) == 0 {
		return nil
	}
	return console.No(fmt.Sprintf("the platform refused every name of %d of the types: %v", len(without), without))
}

// registered is the result for one name.
type registered struct {
	Type    string `json:"event_type"`
	URL     string `json:"webhook_url"`
	Created bool   `json:"created"`
	Refused string `json:"refused,omitempty"`
	secretGiven
}

func (r registered) lines() []line {
	if r.Refused != "" {
		return []line{
			{console.Warn("! "), console.Calm(r.Type), console.Plain("  is not registered")},
			{console.Faint("  " + r.Refused)},
		}
	}
	head := line{console.Good("✓ "), console.Calm(r.Type), console.Plain("  " + r.URL)}
	if r.Created {
		return append([]line{head}, r.secretGiven.lines()...)
	}
	return []line{head, {console.Faint("  was registered before: its URL is set, its secret stays; \"webhooks rotate\" asks for a new one")}}
}
