package upstream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// Subscription is what [Subscribe] has registered.
type Subscription struct {
	// Registered has an entry for each event type whose registration now leads
	// to the receiver, in the order of registration.
	Registered []Registration

	webhooks sonzaiapi.Webhooks
}

// Registration is one event type of a [Subscription].
type Registration struct {
	Type sonzaihook.EventType
	// URL is where the deliveries go, with the event type filled in.
	URL string
	// PreviousURL is where they went before; empty if the registration is new.
	PreviousURL string
	// New says that there was no registration before.
	New bool
	// Rotated says that a new secret was asked for, see [WithRotateUnknown].
	Rotated bool
	// HasSecret says that the receiver has a secret for the type. Whether it is
	// the right one only a delivery shows.
	HasSecret bool
}

// SecretsSoFar returns the secrets to make a receiver with before it is
// subscribed: those that were saved or, where there are none yet, a random one
// that nobody knows. A receiver with that one refuses every delivery until
// [Subscribe] gives it secrets of the platform.
func SecretsSoFar(saved sonzaihook.Secrets) sonzaihook.Secrets {
	if len(saved) > 0 {
		return maps.Clone(saved)
	}
	return sonzaihook.Secrets{nobodysType: {rand.Text() + rand.Text()}}
}

// nobodysType is an event type that the platform does not send.
const nobodysType sonzaihook.EventType = "sonzaihook.none"

// Subscribe registers an address for every event type for which the receiver has
// a callback, or for those of [WithTypes], and gives the receiver the secrets that
// come back. The receiver must be reachable there already: deliveries may arrive
// before Subscribe returns, and those that the secret under way would verify are
// put off with 503 meanwhile. "{event}" in the address stands for the event type.
//
// The platform tells a secret only when a registration is new. For one that
// exists already the receiver must have the secret, see [SecretsSoFar] and
// [WithSecretSink]: then Subscribe only updates the address. Otherwise Subscribe
// leaves that registration alone, as its deliveries would be refused, registers
// the other types, and returns [ErrSecretUnknown] with the types that are left
// out; with [WithRotateUnknown] it asks for a new secret.
//
// Beside an error the subscription says what was registered nevertheless; it is
// nil only where nothing was tried. Calling Subscribe again goes on from there. An
// answer of the platform that got lost is asked for again a few times; where a
// secret was lost with it, that is [ErrSecretUnknown] too.
func Subscribe(ctx context.Context, hooks *sonzaihook.Receiver, webhooks sonzaiapi.Webhooks, address string, options ...Option) (*Subscription, error) {
	s, err := newSettings(options)
	if err != nil {
		return nil, err
	}
	types, err := s.typesOf(hooks)
	if err != nil {
		return nil, err
	}
	sub := &Subscription{webhooks: webhooks}
	existing, err := addresses(ctx, webhooks)
	if err != nil {
		return sub, err
	}
	var unknown []string
	for _, t := range types {
		previous, exists := existing[t]
		if exists && !s.rotateUnknown && !hooks.HasSecret(t) {
			unknown = append(unknown, string(t))
			continue
		}
		r := &registrar{
			settings: s, hooks: hooks, webhooks: webhooks,
			entry: Registration{Type: t, URL: fill(address, t), PreviousURL: previous, New: !exists},
		}
		err := r.register(ctx)
		if r.registered {
			r.entry.HasSecret = hooks.HasSecret(t)
			sub.Registered = append(sub.Registered, r.entry)
		}
		if err != nil {
			return sub, both(leftAlone(unknown), err)
		}
	}
	return sub, leftAlone(unknown)
}

// Unsubscribe deletes the registrations of the subscription, also those that
// existed before it. One that is gone already is no error. Those that could not
// be deleted stay in Registered, so that Unsubscribe can be called again.
func (s *Subscription) Unsubscribe(ctx context.Context) error {
	var failed error
	var left []Registration
	for _, entry := range s.Registered {
		err := s.webhooks.Delete(ctx, string(entry.Type))
		if err != nil && !errors.Is(err, sonzaiapi.ErrNotFound) {
			left = append(left, entry)
			failed = both(failed, err)
		}
	}
	s.Registered = left
	return failed
}

// addresses returns where the deliveries of the registered types go.
func addresses(ctx context.Context, webhooks sonzaiapi.Webhooks) (map[sonzaihook.EventType]string, error) {
	list, err := webhooks.List(ctx)
	existing := make(map[sonzaihook.EventType]string, len(list))
	for _, webhook := range list {
		existing[sonzaihook.EventType(webhook.EventType)] = webhook.URL
	}
	return existing, err
}

func fill(address string, t sonzaihook.EventType) string {
	return strings.ReplaceAll(address, "{event}", url.PathEscape(string(t)))
}

// registrar registers one event type.
type registrar struct {
	*settings
	hooks      *sonzaihook.Receiver
	webhooks   sonzaiapi.Webhooks
	entry      Registration
	registered bool
}

var errNothingNew = errors.New("upstream: the platform told no secret, and the receiver has one")

func (r *registrar) register(ctx context.Context) error {
	err := r.install(ctx, r.hooks, r.entry.Type, sonzaihook.DefaultTolerance, r.secret)
	if errors.Is(err, errNothingNew) {
		return nil
	}
	return err
}

// secret registers the address and returns the secret of the registration.
func (r *registrar) secret(ctx context.Context) (sonzaiapi.Secret, error) {
	t := r.entry.Type
	secret, err := persist(ctx, func() (sonzaiapi.Secret, error) {
		return r.webhooks.Register(ctx, string(t), sonzaiapi.Target{URL: r.entry.URL, AuthHeader: r.authHeader})
	})
	r.registered = err == nil
	known := r.hooks.HasSecret(t)
	switch {
	case err != nil && known:
		return "", err
	case err != nil:
		return "", lost(t, err)
	case secret != "":
		return secret, nil
	case known:
		return "", errNothingNew
	case !r.rotateUnknown && r.entry.New:
		return "", fmt.Errorf("%w: %s: it is registered now, but the answer with its secret got lost, "+
			"or another server was faster: have a new one told with WithRotateUnknown", ErrSecretUnknown, t)
	case !r.rotateUnknown:
		return "", leftAlone([]string{string(t)})
	}
	r.entry.Rotated = true
	return r.rotated(ctx, r.webhooks, t)
}

// leftAlone is the error for registrations whose secret the receiver lacks.
func leftAlone(types []string) error {
	if len(types) == 0 {
		return nil
	}
	return fmt.Errorf("%w: registered already: %s: make the receiver with the secret that the platform told then, "+
		"or have a new one told with WithRotateUnknown", ErrSecretUnknown, strings.Join(types, ", "))
}

// both joins errors in one line.
func both(first, second error) error {
	if first == nil || second == nil {
		return errors.Join(first, second)
	}
	return fmt.Errorf("%w; %w", first, second)
}
