package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

func newChannelsCreate(c *console.Console) *cobra.Command {
	o := channelOptions{platform: platform{console: c}}
	cmd := &cobra.Command{
		Use:   "create <name>",
		Short: "Send event types to one URL, signed with a secret of your own",
		Long: `Create makes a webhook channel. Its name is for people to read. Without --type it takes
every event type. A channel of the same name that exists already would send every event
a second time, so that is an error; --replace changes that one instead, which is also
how its secret is rotated.

The platform never shows the secret: give the same one to the receiver, for every event
type (sonzaihook.Secret, or sonzaihook.AnyEvent of a project).

` + secretHelpLong + `

` + platformHelpLong,
		Example: `  sonzaihook channels create main --url https://example.com/webhooks/sonzai --secret @secret
  sonzaihook channels create talk --type message --type on_wakeup_ready --url "$URL" --secret @secret
  sonzaihook channels create main --replace --url "$URL" --secret @new-secret`,
		Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), first(args)) },
	}
	o.register(cmd)
	o.registerProject(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.url, "url", "", "https `address` of your server; {project} in it stands for the project")
	flags.StringVar(&o.secret, "secret", "", secretHelp+"; "+projectPlace+" in its name stands for the project")
	flags.StringVar(&o.auth, "auth-header", "", "`value` that the platform sends as Authorization with each delivery, or @file to read it from one")
	flags.StringArrayVar(&o.types, "type", nil, "an event `type` that the channel takes; may be repeated; the default is all")
	flags.StringArrayVar(&o.agents, "agent", nil, "`id` of an agent whose events the channel takes; may be repeated; the default is all")
	flags.BoolVar(&o.paused, "paused", false, "make it without delivering to it")
	flags.BoolVar(&o.replace, "replace", false, "change the channel of this name if there is one")
	requireFlags(cmd, "url")
	completeFlag(cmd, "type", completeNames)
	return cmd
}

// channelOptions are the flags of the command that creates a channel.
type channelOptions struct {
	platform
	url     string
	secret  string
	auth    string
	types   []string
	agents  []string
	paused  bool
	replace bool
}

func (o *channelOptions) run(ctx context.Context, name string) error {
	wanted, err := o.wanted(name)
	if err != nil {
		return err
	}
	channels, err := o.channels()
	if err != nil {
		return err
	}
	list, err := channels.List(ctx)
	if err != nil {
		return failure(err)
	}
	i := slices.IndexFunc(list, func(ch sonzaiapi.Channel) bool {
		return ch.Name == wanted.Name && ch.Type == sonzaiapi.ChannelWebhook
	})
	if i < 0 {
		channel, err := channels.Create(ctx, wanted)
		return o.done(channel, "created", err)
	}
	if !o.replace {
		return console.No(fmt.Sprintf("there is a channel %q already, %s: choose another name, or give --replace to change it", name, list[i].ID))
	}
	channel, err := channels.Update(ctx, list[i].ID, wanted)
	return o.done(channel, "changed", err)
}

// wanted is the channel that the flags describe.
func (o *channelOptions) wanted(name string) (sonzaiapi.WebhookChannel, error) {
	var none sonzaiapi.WebhookChannel
	switch {
	case strings.TrimSpace(name) == "":
		return none, errors.New("which channel? Give it a name for people to read")
	case strings.Contains(o.url, eventPlace):
		return none, errors.New("--url: one address takes every event type of a channel, so it has no place for " + eventPlace)
	}
	if err := errors.Join(checkPlaces("--url", o.url, o.project), checkPlaces("--secret", o.secret, o.project)); err != nil {
		return none, err
	}
	secret, err := secretFor(o.console, o.secret, place{project: o.project})
	if err != nil {
		return none, err
	}
	if _, err := sonzaihook.New(sonzaihook.Secret(secret)); err != nil { // the one to receive it
		return none, err
	}
	auth, err := reveal(o.auth)
	if err != nil {
		return none, fmt.Errorf("--auth-header: %w", err)
	}
	return sonzaiapi.WebhookChannel{
		Name: name, SigningSecret: sonzaiapi.Secret(secret), Events: named(o.types), Agents: o.agents, Paused: o.paused,
		Target: sonzaiapi.Target{URL: place{project: o.project}.url(o.url), AuthHeader: sonzaiapi.Secret(auth)},
	}, nil
}

// done tells what the platform made.
func (o *channelOptions) done(channel sonzaiapi.Channel, what string, err error) error {
	if err != nil {
		return failure(err)
	}
	value := struct {
		sonzaiapi.Channel
		Done string `json:"done"`
	}{channel, what}
	return o.tell(value,
		line{console.Good("✓ "), console.Strong(channel.Name), console.Plain("  " + what), console.Faint("  " + channel.ID)},
		line{console.Faint("  takes "), console.Calm(typesOf(channel)), console.Faint(" at "), console.Plain(channel.URL)})
}
