// Package upstream ties a receiver to the platform that sends to it.
//
//	hooks, err := sonzaihook.New(upstream.SecretsSoFar(saved))
//	hooks.OnMessage(…)
//	subscription, err := upstream.Subscribe(ctx, hooks, client.Webhooks(), url, upstream.WithSecretSink(save))
//
// [Subscribe] registers the receiver for its event types and installs the
// secrets that come back, [Rotate] replaces one of them. [PollProject] and
// [PollAgent] fetch what can be polled, [Replay] what a delivery log holds and
// no receiver has taken: both run the callbacks of the receiver, under the same
// store, so that an event runs once whichever way it comes. An event says which
// way that was in its Source.
//
// All functions are safe for concurrent use, with one receiver or several.
package upstream

import "errors"

// The errors of this package, matched with [errors.Is]. Those of the calls are
// of package sonzaiapi, those of the receiver of package sonzaihook.
var (
	// ErrInvalidOption: an option or an argument was given a value that it
	// cannot have.
	ErrInvalidOption = errors.New("upstream: invalid option")
	// ErrSecretUnknown: the platform signs, or may sign, with a secret that the
	// receiver does not have. The text names the event type and what to do.
	ErrSecretUnknown = errors.New("upstream: secret unknown")
	// ErrSecretNotSaved: the function of [WithSecretSink] returned an error. The
	// secret is installed all the same; it is lost with the process.
	ErrSecretNotSaved = errors.New("upstream: secret not saved")
	// ErrUnsettled: callbacks failed again on what [Replay] or a poll of
	// [WithOnce] ran. It stays with the platform, for another call.
	ErrUnsettled = errors.New("upstream: deliveries not settled")
)
