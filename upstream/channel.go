package upstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// SubscribeChannel registers an address as a notification channel, the platform's
// second way to send events, and gives the receiver the secret that signs its
// deliveries. The channel takes every known name of the event types for which the
// receiver has a callback, or the names of [WithTypes]; one address takes them all,
// so "{event}" has no place in it. A channel of this name that exists already is
// changed, which is also how its secret is rotated: the one before stays valid for
// [sonzaihook.DefaultTolerance].
//
// The customer chooses the secret, and one secret signs every type. It is installed
// under [sonzaihook.AnyEvent] and replaces another one there: give all channels of
// a project, or of the tenant, the same secret. The receiver then counts as having a
// secret for every name, so a later [Subscribe] cannot notice that the secret of a
// registration is unknown: use that with saved secrets. The function of
// [WithSecretSink] is not called.
//
// It is assumed, and not documented, that a channel signs as a registration does
// and that the config has the members that [sonzaiapi.Channels] writes. Where an
// event type has both a channel and a registration, the event comes twice, and the
// receiver recognises the copy by its id.
//
// [sonzaiapi.Channels.Delete] with the id of the channel ends it.
func SubscribeChannel(ctx context.Context, target Target, channels sonzaiapi.Channels, name, address string, secret sonzaiapi.Secret, options ...Option) (sonzaiapi.Channel, error) {
	var channel sonzaiapi.Channel
	s, err := newSettings(options)
	if err != nil {
		return channel, err
	}
	if target, err = within(target, channels.ProjectID()); err != nil {
		return channel, err
	}
	families, err := s.families(target)
	if err == nil {
		err = checkChannel(name, address, channels.ProjectID(), secret)
	}
	if err != nil {
		return channel, err
	}
	wanted := sonzaiapi.WebhookChannel{
		Name: name, SigningSecret: secret,
		Target: sonzaiapi.Target{URL: fill(address, channels.ProjectID(), ""), AuthHeader: s.authHeader},
	}
	for _, f := range families {
		for _, name := range f.names {
			wanted.Events = append(wanted.Events, string(name))
		}
	}
	err = target.RotateFrom(ctx, sonzaihook.AnyEvent, sonzaihook.DefaultTolerance, func(ctx context.Context) (string, error) {
		put, err := persist(ctx, func() (sonzaiapi.Channel, error) { return putChannel(ctx, channels, wanted) })
		channel = put
		return string(secret), err
	})
	if err != nil && (passing(err) || ended(err)) {
		err = fmt.Errorf("%w: the platform may have the channel already: call SubscribeChannel again: %w", ErrSecretUnknown, err)
	}
	return channel, err
}

func checkChannel(name, address, project string, secret sonzaiapi.Secret) error {
	if strings.TrimSpace(name) == "" {
		return fmt.Errorf("%w: a channel needs a name", ErrInvalidOption)
	}
	if strings.Contains(address, eventPlace) {
		return fmt.Errorf("%w: the address of a channel takes every event type and cannot have %s", ErrInvalidOption, eventPlace)
	}
	if err := checkAddress(address, project); err != nil {
		return err
	}
	if _, err := sonzaihook.New(sonzaihook.Secret(string(secret))); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalidOption, err)
	}
	return nil
}

// putChannel changes the webhook channel of this name, or creates it. It may be
// called again after an answer that got lost.
func putChannel(ctx context.Context, channels sonzaiapi.Channels, wanted sonzaiapi.WebhookChannel) (sonzaiapi.Channel, error) {
	list, err := channels.List(ctx)
	if err != nil {
		return sonzaiapi.Channel{}, err
	}
	i := slices.IndexFunc(list, func(c sonzaiapi.Channel) bool {
		return c.Name == wanted.Name && c.Type == sonzaiapi.ChannelWebhook
	})
	if i < 0 {
		return channels.Create(ctx, wanted)
	}
	changed, err := channels.Update(ctx, list[i].ID, wanted)
	if errors.Is(err, sonzaiapi.ErrNotFound) { // deleted between the two calls
		return channels.Create(ctx, wanted)
	}
	return changed, err
}
