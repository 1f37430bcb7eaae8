package upstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// Rotate asks the platform for a new secret of the registration with this name and
// gives it to the receiver; what it had for the name stays valid for grace, for the
// deliveries that are under way. The platform signs with the new secret at once
// (documented), even before its answer arrives: deliveries of that moment are put
// off with 503. The name is the literal one of the registration; secrets of other
// names, of other projects and under [sonzaihook.AnyEvent] are not touched.
//
// Where several instances receive, one of them rotates, hands the new secret to
// the others out of [WithSecretSink], and each of them installs it, as [Watch]
// does. If they share a store, they answer 503 for what only the new secret verifies
// until they have it, and Watch looks for it at once, see
// [sonzaihook.Receiver.RotateFrom]. Without a shared store it is refused for good, and
// [Replay] recovers it.
//
// A process that ends after the platform has rotated and before the secret is
// saved leaves the platform with a secret that no process knows. Calling Rotate
// again repairs that, and also [ErrSecretUnknown], which means that the answer got
// lost: each call brings a new secret. [Replay] recovers what was refused in between.
func Rotate(ctx context.Context, target Target, webhooks sonzaiapi.Webhooks, name sonzaihook.EventType, grace time.Duration, options ...Option) error {
	s, err := newSettings(options)
	if err != nil {
		return err
	}
	if target, err = within(target, webhooks.ProjectID()); err != nil {
		return err
	}
	if err := checkNames([]sonzaihook.EventType{name}); err != nil {
		return err
	}
	if grace < 0 {
		return fmt.Errorf("%w: Rotate needs a grace that is not negative", ErrInvalidOption)
	}
	return s.install(ctx, target, name, grace, func(ctx context.Context) (sonzaiapi.Secret, error) {
		return s.rotated(ctx, webhooks, name)
	})
}

// install gives the receiver the secret that ask returns, once it is saved.
func (s *settings) install(ctx context.Context, target Target, name sonzaihook.EventType, grace time.Duration, ask func(context.Context) (sonzaiapi.Secret, error)) error {
	var unsaved error
	err := target.RotateFrom(ctx, name, grace, func(ctx context.Context) (string, error) {
		secret, err := ask(ctx)
		if err != nil {
			return "", err
		}
		if s.sink != nil {
			unsaved = s.sink(name, secret)
		}
		return string(secret), nil
	})
	if err == nil && unsaved != nil {
		err = fmt.Errorf("%w: %s: %w", ErrSecretNotSaved, name, unsaved)
	}
	return err
}

// rotated asks for a new secret.
func (s *settings) rotated(ctx context.Context, webhooks sonzaiapi.Webhooks, name sonzaihook.EventType) (sonzaiapi.Secret, error) {
	secret, err := persist(ctx, func() (sonzaiapi.Secret, error) { return webhooks.RotateSecret(ctx, string(name)) })
	if err != nil {
		return "", lost(name, err)
	}
	return secret, nil
}

// lost marks an error after which the platform may sign with a secret that did
// not arrive.
func lost(name sonzaihook.EventType, err error) error {
	if !errors.Is(err, sonzaiapi.ErrUnavailable) && !errors.Is(err, sonzaiapi.ErrNotJSON) && !ended(err) {
		return err
	}
	return fmt.Errorf("%w: %s: the platform may have changed it: rotate it again: %w", ErrSecretUnknown, name, err)
}

func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// How long a call for a secret is repeated. Without the answer every delivery
// that the new secret signs would be refused; with it, deliveries are only late.
const (
	persistTries = 5
	persistFirst = 200 * time.Millisecond
	persistTotal = time.Minute
)

// persist repeats a call for a secret whose answer got lost. The client does not,
// as it cannot know that a second secret does no harm.
func persist[T any](ctx context.Context, call func() (T, error)) (T, error) {
	var last error
	var none T
	answer, err := backoff.Retry(ctx, func() (T, error) {
		answer, err := call()
		last = err
		if err != nil && !passing(err) {
			return none, backoff.Permanent(err)
		}
		return answer, err
	}, backoff.WithBackOff(newBackoff(persistFirst, persistTotal)),
		backoff.WithMaxTries(persistTries), backoff.WithMaxElapsedTime(persistTotal))
	switch {
	case err == nil:
		return answer, nil
	case ctx.Err() != nil && !ended(last):
		return none, fmt.Errorf("%w: %w", last, ctx.Err())
	}
	return none, last
}

// passing reports whether the same call may succeed later.
func passing(err error) bool {
	return errors.Is(err, sonzaiapi.ErrUnavailable) || errors.Is(err, sonzaiapi.ErrRateLimited)
}

// newBackoff doubles from first to longest; each wait varies by half either way.
func newBackoff(first, longest time.Duration) *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval: first, MaxInterval: longest, Multiplier: 2, RandomizationFactor: 0.5,
	}
}
