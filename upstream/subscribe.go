package upstream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// Subscription is what [Subscribe] has registered.
type Subscription struct {
	// Registered has an entry for each name whose registration now leads to the
	// receiver, in the order of registration.
	Registered []Registration
	// Problems has an entry for each name that Subscribe registers by default and
	// that does not work, although another name of the type does. They are also
	// logged. Names given with [WithTypes] are never among them.
	Problems []Problem

	webhooks sonzaiapi.Webhooks
}

// Registration is one name of an event type of a [Subscription].
type Registration struct {
	// Type is the event type.
	Type sonzaihook.EventType
	// Name is the name under which the platform has the registration, such as
	// "on_wakeup_ready" for the type "agent.wakeup". The signing secret is that of
	// the name.
	Name sonzaihook.EventType
	// URL is where the deliveries go, with the name filled in.
	URL string
	// PreviousURL is where they went before; empty if the registration is new.
	PreviousURL string
	// New says that there was no registration before.
	New bool
	// Rotated says that a new secret was asked for, see [WithRotateUnknown].
	Rotated bool
	// HasSecret says that the receiver has a secret for the name. Whether it is the
	// right one only a delivery shows.
	HasSecret bool
}

// Problem is a name that [Subscribe] tried by default, and what went wrong with it.
type Problem struct {
	// Type is the event type.
	Type sonzaihook.EventType
	// Name is the name that could not be registered, or whose secret is unknown.
	Name sonzaihook.EventType
	// Err is the platform's refusal, see package sonzaiapi, or wraps
	// [ErrSecretUnknown].
	Err error
}

// InitialSecrets returns the secrets to make a receiver with before it is
// subscribed: those that were saved or, where there are none yet, a random one
// that no sender knows. A receiver with that one refuses every delivery until
// [Subscribe] gives it secrets of the platform.
func InitialSecrets(saved sonzaihook.Secrets) sonzaihook.Secrets {
	if len(saved) > 0 {
		return maps.Clone(saved)
	}
	return sonzaihook.Secrets{unsentType: {rand.Text() + rand.Text()}}
}

// SecretsSoFar is the former name of [InitialSecrets].
//
// Deprecated: use [InitialSecrets].
func SecretsSoFar(saved sonzaihook.Secrets) sonzaihook.Secrets { return InitialSecrets(saved) }

// unsentType is an event type that the platform does not send.
const unsentType sonzaihook.EventType = "sonzaihook.none"

// Subscribe registers an address for every event type for which the receiver has
// a callback, or for the names of [WithTypes], and gives the receiver the secrets
// that come back. The receiver must be reachable there already: deliveries may
// arrive before Subscribe returns, and those that the secret under way would verify
// are put off with 503 meanwhile. "{event}" in the address stands for the name, and
// "{project}" for the project of the registrations.
//
// A registration has a literal name and its own secret. Some types are registered
// under two names, as two pages of the platform's documentation do, and which of
// them a tenant hears is not known. So Subscribe registers every known name of each
// type, and notes in [Subscription.Problems] a name that the platform refuses or
// whose secret is unknown, as long as another name of the type is registered. The
// names of WithTypes are registered as they are given, and each has to succeed.
//
// Registrations of a project, see [sonzaiapi.Project.Webhooks], give their secrets
// to that project's part of the receiver.
//
// The platform returns a secret only when a registration is new. For one that
// exists already the receiver must have the secret, see [InitialSecrets] and
// [WithSecretSink]: then Subscribe only updates the address. Otherwise Subscribe
// leaves that registration alone, as its deliveries would be refused, registers
// the others, and returns [ErrSecretUnknown] with the names that are left out;
// with [WithRotateUnknown] it asks for a new secret.
//
// If Subscribe returns an error, the subscription says what was registered
// nevertheless; it is nil only where nothing was tried. Calling Subscribe again
// goes on from there. An answer of the platform that got lost is asked for again a
// few times; where a secret was lost with it, that is [ErrSecretUnknown] too.
func Subscribe(ctx context.Context, target Target, webhooks sonzaiapi.Webhooks, address string, options ...Option) (*Subscription, error) {
	s, err := newSettings(options)
	if err != nil {
		return nil, err
	}
	if target, err = within(target, webhooks.ProjectID()); err != nil {
		return nil, err
	}
	families, err := s.families(target)
	if err == nil {
		err = checkAddress(address, webhooks.ProjectID())
	}
	if err != nil {
		return nil, err
	}
	r := &registrar{
		settings: s, target: target, webhooks: webhooks, address: address,
		subscription: &Subscription{webhooks: webhooks},
	}
	if r.existing, err = addresses(ctx, webhooks); err != nil {
		return r.subscription, err
	}
	for _, f := range families {
		if err := r.registerAll(ctx, f); err != nil {
			return r.subscription, both(leftAlone(r.unknown), err)
		}
	}
	return r.subscription, leftAlone(r.unknown)
}

// Unsubscribe deletes the registrations of the subscription, also those that
// existed before it. One that is gone already is no error. Those that could not
// be deleted stay in Registered, so that Unsubscribe can be called again.
func (s *Subscription) Unsubscribe(ctx context.Context) error {
	var failed error
	var left []Registration
	for _, entry := range s.Registered {
		err := s.webhooks.Delete(ctx, string(entry.Name))
		if err != nil && !errors.Is(err, sonzaiapi.ErrNotFound) {
			left = append(left, entry)
			failed = both(failed, err)
		}
	}
	s.Registered = left
	return failed
}

// addresses returns where the deliveries of the registered names go.
func addresses(ctx context.Context, webhooks sonzaiapi.Webhooks) (map[sonzaihook.EventType]string, error) {
	list, err := webhooks.List(ctx)
	existing := make(map[sonzaihook.EventType]string, len(list))
	for _, webhook := range list {
		existing[sonzaihook.EventType(webhook.EventType)] = webhook.URL
	}
	return existing, err
}

// registrar registers names and records the results in the subscription.
type registrar struct {
	*settings
	target       Target
	webhooks     sonzaiapi.Webhooks
	address      string
	existing     map[sonzaihook.EventType]string
	subscription *Subscription
	unknown      []string // registrations whose secret the receiver does not have
}

// registerAll registers the names of one type. Of names chosen by default, one has
// to succeed.
func (r *registrar) registerAll(ctx context.Context, f family) error {
	var problems []Problem
	var failed error
	works := false
	for i, name := range f.names {
		err := r.registerOne(ctx, f.typ, name)
		second := f.chosen && i > 0
		switch {
		case err == nil:
			works = true
		case errors.Is(err, errLeftAlone) && !second:
			r.unknown = append(r.unknown, string(name))
			works = true // Subscribe returns an error that says what to do about it
		case second && errors.Is(err, ErrSecretUnknown), f.chosen && isRefusal(err):
			problems = append(problems, Problem{f.typ, name, err})
			failed = both(failed, err)
		default:
			return err
		}
	}
	if !works {
		return failed
	}
	for _, p := range problems {
		r.logger.WarnContext(ctx, "upstream: a known name of an event type is not registered, or its secret is unknown",
			"type", brief(string(p.Type)), "name", brief(string(p.Name)), "error", brief(p.Err.Error()))
	}
	r.subscription.Problems = append(r.subscription.Problems, problems...)
	return nil
}

// isRefusal reports whether the platform refuses the name, as opposed to the API key,
// or any call for the time being.
func isRefusal(err error) bool {
	e, ok := errors.AsType[*sonzaiapi.Error](err)
	return ok && e.Status != 0 && (errors.Is(err, sonzaiapi.ErrInvalidRequest) || errors.Is(err, sonzaiapi.ErrNotFound) ||
		errors.Is(err, sonzaiapi.ErrConflict) || errors.Is(err, sonzaiapi.ErrRefused))
}

// registerOne registers one name.
func (r *registrar) registerOne(ctx context.Context, t, name sonzaihook.EventType) error {
	previous, exists := r.existing[name]
	if exists && !r.rotateUnknown && !r.target.HasSecret(name) {
		return errLeftAlone
	}
	entry := Registration{
		Type: t, Name: name, URL: fill(r.address, r.webhooks.ProjectID(), name), PreviousURL: previous, New: !exists,
	}
	registered := false
	err := r.install(ctx, r.target, name, sonzaihook.DefaultTolerance, func(ctx context.Context) (secret sonzaiapi.Secret, err error) {
		secret, registered, err = r.secret(ctx, &entry)
		return secret, err
	})
	if registered {
		entry.HasSecret = r.target.HasSecret(name)
		r.subscription.Registered = append(r.subscription.Registered, entry)
	}
	if errors.Is(err, errNothingNew) {
		return nil
	}
	return err
}

var (
	errNothingNew = errors.New("upstream: the platform told no secret, and the receiver has one")
	errLeftAlone  = fmt.Errorf("%w: it is registered already", ErrSecretUnknown)
)

// secret registers the address, says whether it is registered, and returns the
// secret of the registration.
func (r *registrar) secret(ctx context.Context, entry *Registration) (secret sonzaiapi.Secret, registered bool, err error) {
	name := entry.Name
	secret, err = persist(ctx, func() (sonzaiapi.Secret, error) {
		return r.webhooks.Register(ctx, string(name), sonzaiapi.Target{URL: entry.URL, AuthHeader: r.authHeader})
	})
	registered = err == nil
	known := r.target.HasSecret(name)
	switch {
	case err != nil && known:
		return "", registered, err
	case err != nil:
		return "", registered, lost(name, err)
	case secret != "":
		return secret, registered, nil
	case known:
		return "", registered, errNothingNew
	case !r.rotateUnknown && entry.New:
		return "", registered, fmt.Errorf("%w: %s: it is registered now, but the answer with its secret got lost, "+
			"or another server was faster: have a new one told with WithRotateUnknown", ErrSecretUnknown, name)
	case !r.rotateUnknown:
		return "", registered, leftAlone([]string{string(name)})
	}
	entry.Rotated = true
	secret, err = r.rotated(ctx, r.webhooks, name)
	return secret, registered, err
}

// leftAlone is the error for registrations whose secret the receiver does not have.
func leftAlone(names []string) error {
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%w: registered already: %s: make the receiver with the secret that the platform told then, "+
		"or have a new one told with WithRotateUnknown", ErrSecretUnknown, strings.Join(names, ", "))
}
