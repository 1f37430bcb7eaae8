package upstream

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// The defaults of the options.
const (
	DefaultShortest = time.Second
	DefaultLongest  = 30 * time.Second
)

// Option changes what a function of this package does. An option that a function
// has no use for is ignored there.
type Option func(*settings)

type settings struct {
	types         []sonzaihook.EventType
	authHeader    sonzaiapi.Secret
	sink          func(sonzaihook.EventType, sonzaiapi.Secret) error
	rotateUnknown bool
	shortest      time.Duration
	longest       time.Duration
	once          bool
	ackRefused    bool
	since         time.Time
	dryRun        bool
	logger        *slog.Logger
}

// WithTypes limits Subscribe, SubscribeChannel, PollProject and Replay to these
// event types. Each goes to the platform as it is given: "agent.wakeup"
// and "on_wakeup_ready" are two registrations, although both stand for one type.
// The default is every known name of the types for which the receiver has a
// callback, see [sonzaihook.WireNames], and for PollProject all notifications.
func WithTypes(types ...sonzaihook.EventType) Option {
	return func(s *settings) { s.types = types }
}

// WithAuthHeader registers v as the Authorization value that comes with each
// delivery, for a receiver with sonzaihook.WithAuthorization(v). The default is
// the empty string, which registers none.
func WithAuthHeader(v string) Option {
	return func(s *settings) { s.authHeader = sonzaiapi.Secret(v) }
}

// WithSecretSink sets a function that is given each new secret before it is
// installed, so that it can be saved: the platform returns a secret only once. The
// function is given the name of the registration; string(secret) is the secret
// itself. If it returns an error, the secret is installed nevertheless, and the
// error is reported as [ErrSecretNotSaved]. Subscribe and Rotate call it. Keep the
// previous secret as well until the grace of a rotation is over. By default nothing
// is saved, and secrets are lost when the process ends.
func WithSecretSink(save func(sonzaihook.EventType, sonzaiapi.Secret) error) Option {
	return func(s *settings) { s.sink = save }
}

// WithRotateUnknown lets Subscribe ask for a new secret where a name is already
// registered and the receiver has no secret for it. Another server that has the old
// secret then refuses its deliveries. The default is to leave such a registration
// alone and to report [ErrSecretUnknown].
func WithRotateUnknown() Option { return func(s *settings) { s.rotateUnknown = true } }

// WithInterval sets the wait between two polls: shortest after one that found
// something and settled it, then twice as long each time, up to longest. Each
// wait varies at random by half either way. The default is 1 s to 30 s.
func WithInterval(shortest, longest time.Duration) Option {
	return func(s *settings) { s.shortest, s.longest = shortest, longest }
}

// WithOnce lets a poll return when it has gone through what is waiting, or at
// the first error. The default is to go on until the context ends.
func WithOnce() Option { return func(s *settings) { s.once = true } }

// WithAcknowledgeRefused also settles polled notifications that the receiver
// refuses for good: what cannot be decoded, what the validator refuses, what a
// callback calls Permanent. Use it with an OnDeadLetter that keeps them. The
// default leaves them with the platform.
func WithAcknowledgeRefused() Option { return func(s *settings) { s.ackRefused = true } }

// WithSince leaves out of Replay what was last tried before t. The default, the
// zero time, goes through the whole delivery log.
func WithSince(t time.Time) Option { return func(s *settings) { s.since = t } }

// WithDryRun lets Replay list what it would run, and run nothing.
func WithDryRun() Option { return func(s *settings) { s.dryRun = true } }

// WithLogger sets where polls and replays log what went wrong. No record holds a
// secret or a body. The default is slog.Default().
func WithLogger(logger *slog.Logger) Option { return func(s *settings) { s.logger = logger } }

func newSettings(options []Option) (*settings, error) {
	s := &settings{shortest: DefaultShortest, longest: DefaultLongest, logger: slog.Default()}
	for _, option := range options {
		if option == nil {
			return nil, fmt.Errorf("%w: an option is nil", ErrInvalidOption)
		}
		option(s)
	}
	switch {
	case s.shortest <= 0 || s.longest < s.shortest:
		return nil, fmt.Errorf("%w: WithInterval(%v, %v), it needs 0 < shortest <= longest", ErrInvalidOption, s.shortest, s.longest)
	case s.logger == nil:
		return nil, fmt.Errorf("%w: WithLogger(nil), use slog.DiscardHandler to be silent", ErrInvalidOption)
	}
	if err := checkNames(s.types); err != nil {
		return nil, err
	}
	return s, nil
}

// families returns the names that were asked for, by type, or all known names of
// the types that have a callback.
func (s *settings) families(target Target) ([]family, error) {
	if len(s.types) > 0 {
		return gathered(s.types), nil
	}
	var all []family
	for _, t := range target.Types() {
		f := family{typ: t, chosen: true}
		for _, name := range sonzaihook.WireNames(t) {
			f.names = append(f.names, sonzaihook.EventType(name))
		}
		if err := checkNames(f.names); err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: the receiver has no callback for an event type: register one first, or use WithTypes", ErrInvalidOption)
	}
	return all, nil
}
