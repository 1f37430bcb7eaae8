package watermillhook

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/sonzaihook/sonzaihook"
)

// The defaults of the options.
const (
	DefaultMaxAttempts  = 15
	DefaultMaxAge       = 72 * time.Hour
	DefaultMaxWait      = 5 * time.Second
	DefaultFirstBackoff = time.Second
	DefaultMaxBackoff   = time.Hour
)

// deadLetterTimeout bounds one call of the dead letter functions.
const deadLetterTimeout = 30 * time.Second

// Option changes how a [Handler] works.
type Option func(*settings)

type settings struct {
	maxAttempts int
	maxAge      time.Duration
	maxWait     time.Duration
	first, most time.Duration // of the backoff
	publisher   message.Publisher
	topic       string
	republish   bool
	logger      *slog.Logger
	now         func() time.Time
	random      func() float64 // in [0, 1)
}

func defaults() settings {
	return settings{
		maxAttempts: DefaultMaxAttempts,
		maxAge:      DefaultMaxAge,
		maxWait:     DefaultMaxWait,
		first:       DefaultFirstBackoff,
		most:        DefaultMaxBackoff,
		logger:      slog.Default(),
		now:         time.Now,
		random:      rand.Float64,
	}
}

// WithMaxAttempts sets how many runs of a delivery may fail with a 500 before it
// goes to the dead letter. The default is 15. Without [WithRepublish] that is about
// a minute of trying, and counted anew after a restart. It must be positive.
func WithMaxAttempts(n int) Option { return func(s *settings) { s.maxAttempts = n } }

// WithMaxAge sets how old a delivery may be, from its arrival on, when a run fails
// or asks to be tried later; an older one goes to the dead letter. The default is 72
// hours. It must be positive.
func WithMaxAge(d time.Duration) Option { return func(s *settings) { s.maxAge = d } }

// WithMaxWait sets how long a message is held up before it is given back. The time
// after which the broker hands an unacknowledged message to another consumer must be
// longer than this and the receiver's handler timeout together. The default is 5
// seconds. It must be positive: a message given back at once comes back at once.
func WithMaxWait(d time.Duration) Option { return func(s *settings) { s.maxWait = d } }

// WithBackoff sets the wait after the first failure and the longest wait; each wait
// is twice the one before, less up to a half at random. Without [WithRepublish] no
// wait is longer than that of [WithMaxWait]. The default is from 1 second to 1 hour.
// Both must be positive, and longest not less than first.
func WithBackoff(first, longest time.Duration) Option {
	return func(s *settings) { s.first, s.most = first, longest }
}

// WithRepublish sends what is to be tried later to the topic again, with its attempt
// and the time when it is due, and acknowledges the message. So attempts survive a
// restart, a backoff lasts as long as it should, and no message waits behind one
// that fails. It costs a write to the broker every few seconds for each delivery
// that waits, and the order of the messages. The default is to give messages back.
func WithRepublish(publisher message.Publisher, topic string) Option {
	return func(s *settings) { s.publisher, s.topic, s.republish = publisher, topic, true }
}

// WithLogger sets where deliveries that were given up but not kept, and failures to
// publish again, are logged; the rest is logged by the receiver. The default is
// slog.Default(), and nil is refused.
func WithLogger(logger *slog.Logger) Option { return func(s *settings) { s.logger = logger } }

// WithClock sets where the time is read for the age of a delivery and for when it is
// due. It does not drive waits. The default is time.Now. It is called concurrently.
func WithClock(now func() time.Time) Option { return func(s *settings) { s.now = now } }

func (s *settings) check() error {
	invalid := func(text string, args ...any) error {
		return fmt.Errorf("watermillhook: %w: %s", sonzaihook.ErrInvalidOption, fmt.Sprintf(text, args...))
	}
	switch {
	case s.maxAttempts <= 0:
		return invalid("WithMaxAttempts(%d), it must be positive", s.maxAttempts)
	case s.maxAge <= 0:
		return invalid("WithMaxAge(%v), it must be positive", s.maxAge)
	case s.maxWait <= 0:
		return invalid("WithMaxWait(%v), it must be positive", s.maxWait)
	case s.first <= 0 || s.most < s.first:
		return invalid("WithBackoff(%v, %v), both must be positive and in this order", s.first, s.most)
	case s.republish && (s.publisher == nil || s.topic == ""):
		return invalid("WithRepublish needs a publisher and a topic")
	case s.logger == nil:
		return invalid("WithLogger(nil), use slog.DiscardHandler to be silent")
	case s.now == nil:
		return invalid("WithClock(nil)")
	}
	return nil
}

// backoff returns the wait after the nth failure.
func (s *settings) backoff(n int) time.Duration {
	wait := s.most
	if shift := n - 1; shift < 32 && s.first <= s.most>>shift {
		wait = s.first << shift
	}
	return wait - time.Duration(s.random()*float64(wait)/2)
}
