// Package upstream ties a receiver to the platform that sends to it.
//
//	hooks, err := sonzaihook.New(upstream.InitialSecrets(saved))
//	hooks.OnMessage(…)
//	subscription, err := upstream.Subscribe(ctx, hooks, client.Webhooks(), url, upstream.WithSecretSink(save))
//
// [Subscribe] registers the receiver for its event types and installs the
// secrets that come back, [Rotate] replaces one of them, and [Watch] installs what
// changes where secrets are kept outside the process. [SubscribeChannel] uses
// the platform's second way to register, with a secret of the caller's choice.
// [PollProject] and [PollAgent] fetch what can be polled, [Replay] what a delivery
// log holds and no receiver has taken: both run the callbacks of the receiver,
// under the same store, so that an event runs once, however it arrives. The Source
// of an event says how it did.
//
// Each function takes a [Target], and so one receiver serves any number of
// projects: the calls of a project give its secrets and its events to that
// project's part of the receiver.
//
// All functions are safe for concurrent use, with one receiver or several.
package upstream

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sonzaihook/sonzaihook"
)

// The errors of this package, matched with [errors.Is]. Those of the calls are
// of package sonzaiapi, those of the receiver of package sonzaihook.
var (
	// ErrInvalidOption: an option or an argument was given a value that it
	// cannot have. It wraps sonzaihook.ErrInvalidOption.
	ErrInvalidOption = fmt.Errorf("upstream: %w", sonzaihook.ErrInvalidOption)
	// ErrSecretUnknown: the platform signs, or may sign, with a secret that the
	// receiver does not have. The text names the event type and what to do.
	ErrSecretUnknown = errors.New("upstream: secret unknown")
	// ErrSecretNotSaved: the function of [WithSecretSink] returned an error. The
	// secret is installed nevertheless; it is lost when the process ends.
	ErrSecretNotSaved = errors.New("upstream: secret not saved")
	// ErrUnsettled: callbacks failed again on what [Replay] or a poll of
	// [WithOnce] ran. It stays with the platform, for another call.
	ErrUnsettled = errors.New("upstream: deliveries not settled")
)

// both joins errors in one line.
func both(first, second error) error {
	if first == nil || second == nil {
		return errors.Join(first, second)
	}
	return fmt.Errorf("%w; %w", first, second)
}

// brief bounds a text for a log.
func brief(text string) string {
	const most = 500
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
