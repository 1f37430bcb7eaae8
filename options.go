package sonzaihook

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/sonzaihook/sonzaihook/internal/once"
	"github.com/sonzaihook/sonzaihook/internal/usercode"
)

// The defaults of the options.
const (
	DefaultTolerance      = 5 * time.Minute
	DefaultMaxBody        = 2 << 20
	DefaultHandlerTimeout = 30 * time.Second
	DefaultStoreCapacity  = 100_000
	DefaultLease          = 30 * time.Second
)

// Option changes how a [Receiver] works. [New] checks the values.
type Option func(*settings)

type settings struct {
	tolerance      time.Duration
	maxBody        int64
	authorization  *[sha256.Size]byte
	now            func() time.Time
	clock          func() time.Time // the user's
	clockGiven     bool
	store          Store
	identity       func(*Delivery) string
	handlerTimeout time.Duration
	logger         *slog.Logger
	report         *reporter
	secretSource   func(context.Context, string) (Secrets, error)
	validator      Validator
	observers      []func(context.Context, Outcome)
	handOff        func(context.Context, *Delivery) error
	maxInFlight    int
	lease          time.Duration
	drainDelay     time.Duration
}

// Validator checks a decoded event before a callback gets it. It is what a
// *validator.Validate of go-playground/validator is. It is called concurrently.
//
// For the documented types it is given a pointer to a struct with the agent's id
// and the payload; for a type registered with [On] a pointer to the payload if that
// is a struct. For other payloads it is not called.
type Validator interface {
	Struct(s any) error
}

// WithTolerance sets how far the time in a signature may be from now, in either
// direction, in whole seconds. The default is 5 minutes, as in the platform's
// SDKs. It must be positive and cannot be turned off: a receiver without a tolerance
// would accept every delivery that was ever recorded.
func WithTolerance(d time.Duration) Option {
	return func(s *settings) { s.tolerance = d }
}

// WithMaxBody sets how many bytes a body may have; a longer one is answered 413
// and not read further. The default is 2 MiB, twice what the platform was seen
// to send. It must be positive and cannot be turned off.
func WithMaxBody(n int64) Option {
	return func(s *settings) { s.maxBody = n }
}

// WithAuthorization requires the Authorization header to be v, byte for byte:
// the auth_header given when the webhook was registered. It is compared in
// constant time. The default is the empty string, which requires nothing.
func WithAuthorization(v string) Option {
	return func(s *settings) {
		s.authorization = nil
		if v != "" {
			digest := sha256.Sum256([]byte(v))
			s.authorization = &digest
		}
	}
}

// WithClock sets where the receiver reads the time for signatures, for the end
// of a rotation's grace and for durations. It does not drive timeouts. The
// default is time.Now. It is called concurrently.
func WithClock(now func() time.Time) Option {
	return func(s *settings) { s.clock, s.clockGiven = now, true }
}

// WithStore sets where the identities of running and handled deliveries are
// kept. Several instances behind a load balancer need one that they share. The
// default is a memory store of 100,000 identities; nil turns this off, and then
// every copy of a delivery runs.
func WithStore(store Store) Option {
	return func(s *settings) { s.store = store }
}

// WithIdentity sets how a copy of a delivery is recognised. The function is given
// a delivery whose ID is the identity that it would have by default, and returns
// another, or the empty string to keep it. Two deliveries with the same identity
// are one event: the second is not run. The default, and nil, keeps every ID.
// It is called concurrently.
func WithIdentity(identity func(*Delivery) string) Option {
	return func(s *settings) { s.identity = identity }
}

// WithHandlerTimeout sets how long the callbacks of one delivery may run. Then
// their context ends with [ErrHandlerTimeout] as its cause and the delivery is
// answered 500; a callback that does not return keeps its claim until it does, so
// that no copy runs at the same time. The default is 30 seconds, 0 turns it off, and
// a negative value is refused.
func WithHandlerTimeout(d time.Duration) Option {
	return func(s *settings) { s.handlerTimeout = d }
}

// WithSecretSource sets a function that returns the secrets of a project for which
// [Receiver.Project] was given none. source returns an error that wraps
// [ErrUnknownProject] for a project that does not exist. It is called concurrently, in a goroutine
// that outlives the delivery that asked, with a context that ends after a second; a
// call that has not returned by then, or that panics, has failed. Deliveries of one
// project that arrive at the same time share one call.
//
// An answer is kept for a minute, for up to 10,000 projects, and a secret that the
// next answer no longer has stays valid for the time of [DefaultTolerance]. A
// delivery that no known secret verifies waits for another call, at most one per
// second and project, before it is refused. While the source fails known answers
// are used; a delivery that they do not verify is answered 503. Calls for projects
// that were not seen before are limited to 50 per second, beyond which the answer is
// 503, so that a flood of invented names has a bounded cost. A delivery that names no
// project is never tried with secrets of the source.
//
// The default, nil, knows only the projects of [Receiver.Project].
func WithSecretSource(source func(ctx context.Context, project string) (Secrets, error)) Option {
	return func(s *settings) { s.secretSource = source }
}

// WithLogger sets where refusals (warn), failures (error) and handled deliveries
// (debug) are logged. No record holds a secret, a signature, an Authorization
// value or a body. The default is slog.Default(); a logger with
// slog.DiscardHandler turns it off, nil is refused.
func WithLogger(logger *slog.Logger) Option {
	return func(s *settings) { s.logger = logger }
}

// WithValidator sets what checks a decoded event. What it refuses goes to
// [Receiver.OnDeadLetter] and is answered 422. The default, nil, checks nothing.
func WithValidator(v Validator) Option {
	return func(s *settings) { s.validator = v }
}

// WithObserver adds a function that is told the [Outcome] of every delivery,
// refused ones included, just before it is answered. All observers are told, in
// the order in which they were added. They are called concurrently and should be
// quick; a panic in one is logged and changes nothing. By default there is none,
// and nil adds none. [Receiver.Observe] adds one to an existing receiver.
func WithObserver(observer func(context.Context, Outcome)) Option {
	return func(s *settings) {
		if observer != nil {
			s.observers = append(s.observers, observer)
		}
	}
}

// WithHandOff hands deliveries to a queue instead of running their callbacks. It is
// called after a delivery is verified, decoded and validated and before it is claimed,
// even if this receiver has no callback for the type. When enqueue returns nil the
// delivery is answered 202 "queued", so it must have been stored durably by then; an
// error is answered 503 "queue_unavailable", and [Permanent] 422 after
// [Receiver.OnDeadLetter]. A panic is recovered and answered 503. The context ends
// after 5 seconds, and not with the client's request.
//
// A worker runs the callbacks: it calls [Receiver.Dispatch] of a receiver on the
// same store with [SourceBroker]. Deliveries with that source, and those given to
// Dispatch without one, are run and never handed off. The default, nil, runs
// every delivery at once.
func WithHandOff(enqueue func(context.Context, *Delivery) error) Option {
	return func(s *settings) { s.handOff = enqueue }
}

// WithMaxInFlight sets how many deliveries may run at once. Further ones are answered
// 503 with a Retry-After: they are not queued here, the platform sends them again.
// Refused deliveries do not count. The default, 0, sets no limit, and a negative
// value is refused.
func WithMaxInFlight(n int) Option {
	return func(s *settings) { s.maxInFlight = n }
}

// WithLease sets for how long a claim in the [Store] holds if it is not renewed.
// A running callback renews its claim every third of it; if that fails, its
// context ends with [ErrLeaseLost] as its cause, a sixth of the lease before the
// claim does. A process that died no longer renews, so for the length of the lease
// its deliveries are answered "in flight", and then a retry runs them. The default is
// 30 seconds. It must be positive and cannot be turned off.
func WithLease(d time.Duration) Option {
	return func(s *settings) { s.lease = d }
}

// WithDrainDelay sets for how long [Receiver.Shutdown] still accepts deliveries while
// [Receiver.Ready] already reports the shutdown: the time that a load balancer needs to
// notice. The default, 0, refuses them at once, and a negative value is refused.
func WithDrainDelay(d time.Duration) Option {
	return func(s *settings) { s.drainDelay = d }
}

func newSettings(options []Option) (*settings, error) {
	s := &settings{
		tolerance:      DefaultTolerance,
		maxBody:        DefaultMaxBody,
		now:            time.Now,
		store:          NewMemoryStore(DefaultStoreCapacity),
		handlerTimeout: DefaultHandlerTimeout,
		logger:         slog.Default(),
		lease:          DefaultLease,
	}
	for _, option := range options {
		if option == nil {
			return nil, fmt.Errorf("%w: an option is nil", ErrInvalidOption)
		}
		option(s)
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	s.saturate()
	return s, nil
}

func (s *settings) check() error {
	switch {
	case s.tolerance <= 0:
		return fmt.Errorf("%w: WithTolerance(%v), it must be positive", ErrInvalidOption, s.tolerance)
	case s.maxBody <= 0:
		return fmt.Errorf("%w: WithMaxBody(%d), it must be positive", ErrInvalidOption, s.maxBody)
	case s.clockGiven && s.clock == nil:
		return fmt.Errorf("%w: WithClock(nil)", ErrInvalidOption)
	case s.handlerTimeout < 0:
		return fmt.Errorf("%w: WithHandlerTimeout(%v), it must not be negative", ErrInvalidOption, s.handlerTimeout)
	case s.logger == nil:
		return fmt.Errorf("%w: WithLogger(nil), use slog.DiscardHandler to be silent", ErrInvalidOption)
	case s.lease <= 0:
		return fmt.Errorf("%w: WithLease(%v), it must be positive", ErrInvalidOption, s.lease)
	case s.drainDelay < 0:
		return fmt.Errorf("%w: WithDrainDelay(%v), it must not be negative", ErrInvalidOption, s.drainDelay)
	case usercode.IsNil(s.store):
		return fmt.Errorf("%w: WithStore with a nil %T, use nil itself to recognise nothing", ErrInvalidOption, s.store)
	case usercode.IsNil(s.validator):
		return fmt.Errorf("%w: WithValidator with a nil %T", ErrInvalidOption, s.validator)
	case s.maxInFlight < 0:
		return fmt.Errorf("%w: WithMaxInFlight(%d), it must not be negative", ErrInvalidOption, s.maxInFlight)
	}
	return nil
}

// saturate limits durations that others are added to, and guards the user's clock.
func (s *settings) saturate() {
	s.tolerance = min(s.tolerance, once.Forever)
	s.handlerTimeout = min(s.handlerTimeout, once.Forever)
	s.lease = min(s.lease, once.Forever)
	s.maxBody = min(s.maxBody, math.MaxInt64-1)
	s.report = &reporter{Logger: usercode.Logger{To: s.logger}}
	if s.clock != nil {
		s.now = usercode.Clock(s.clock, s.report.Logger)
	}
}
