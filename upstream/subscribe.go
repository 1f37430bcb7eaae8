package upstream

import (
	"context"
	"crypto/rand"
	"maps"

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

// Subscribe registers url for event types.
func Subscribe(ctx context.Context, hooks *sonzaihook.Receiver, webhooks sonzaiapi.Webhooks, url string, options ...Option) (*Subscription, error) {
	return &Subscription{webhooks: webhooks}, nil
}

// Unsubscribe deletes the registrations.
func (s *Subscription) Unsubscribe(ctx context.Context) error { return nil }
