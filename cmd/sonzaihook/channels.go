package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

func newChannels(c *console.Console) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "channels",
		Short: "Manage notification channels, the second way to register a server",
		Long: `Channels creates, lists and deletes notification channels. A channel sends several
event types, or all, to one URL, signed with one secret that you choose. What the
platform documents of a channel is its calls; that it signs as a registration does, and
the names in its config, are assumed.

An event that has both a channel and a registration comes twice; a receiver recognises
the copy by its id.

` + platformHelpLong,
		Example: `  sonzaihook channels create main --url https://example.com/webhooks/sonzai --secret @secret
  sonzaihook channels list`,
		Args: noneButCommands,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newChannelsCreate(c), newChannelsList(c), newChannelsDelete(c))
	return cmd
}

// channels returns the channel calls of the project that was asked for.
func (p *platform) channels() (sonzaiapi.Channels, error) {
	client, err := p.client()
	switch {
	case err != nil:
		return sonzaiapi.Channels{}, err
	case p.project != "":
		return client.Project(p.project).Channels(), nil
	}
	return client.Channels(), nil
}

func newChannelsList(c *console.Console) *cobra.Command {
	p := platform{console: c}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the notification channels",
		Long: `List shows the channels of every type. Secrets are not shown; the platform masks them.

` + platformHelpLong,
		Example: `  sonzaihook channels list
  sonzaihook channels list --project proj_1 --json | jq -r .channel_id`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return listChannels(cmd.Context(), &p) },
	}
	p.register(cmd)
	p.registerProject(cmd)
	return cmd
}

func listChannels(ctx context.Context, p *platform) error {
	channels, err := p.channels()
	if err != nil {
		return err
	}
	list, err := channels.List(ctx)
	if err != nil {
		return failure(err)
	}
	g := console.Grid{Headings: []string{"ID", "NAME", "KIND", "ACTIVE", "UPDATED", "TYPES", "URL"}, Spare: []int{4, 5}}
	for _, ch := range list {
		err := p.add(&g, ch, console.Plain(ch.ID), console.Strong(ch.Name), console.Plain(ch.Type), yesNo(ch.Active),
			console.Faint(p.ago(ch.UpdatedAt)), console.Calm(typesOf(ch)), console.Plain(ch.URL))
		if err != nil {
			return err
		}
	}
	return p.show(&g, "there are no channels; \"sonzaihook channels create\" makes one")
}

// typesOf says which event types a channel takes.
func typesOf(ch sonzaiapi.Channel) string {
	return cmp.Or(strings.Join(ch.Events, ", "), "all")
}

func newChannelsDelete(c *console.Console) *cobra.Command {
	p := platform{console: c}
	cmd := &cobra.Command{
		Use:   "delete <id>…",
		Short: "End the deliveries of channels",
		Long: `Delete removes channels. Their ids are what "channels list" shows.

` + platformHelpLong,
		Example: `  sonzaihook channels delete ch_1
  sonzaihook channels delete ch_1 ch_2 --project proj_1`,
		RunE: func(cmd *cobra.Command, args []string) error { return deleteChannels(cmd.Context(), &p, args) },
	}
	p.register(cmd)
	p.registerProject(cmd)
	return cmd
}

func deleteChannels(ctx context.Context, p *platform, ids []string) error {
	if len(ids) == 0 {
		return errors.New("which channels? Give their ids, as \"channels list\" shows them")
	}
	channels, err := p.channels()
	if err != nil {
		return err
	}
	return p.each(ids, "deleting", "deleted", func(id string) (any, []line, error) {
		value := struct {
			ID      string `json:"channel_id"`
			Deleted bool   `json:"deleted"`
		}{id, true}
		lines := []line{{console.Good("✓ "), console.Plain(id), console.Plain("  deleted")}}
		err := channels.Delete(ctx, id)
		if errors.Is(err, sonzaiapi.ErrNotFound) {
			err = console.No(fmt.Sprintf("%v: \"sonzaihook channels list\" shows what there is", failure(err)))
		}
		return value, lines, err
	})
}
