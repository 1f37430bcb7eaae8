package inspector

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// The defaults of [WithLimits].
const (
	DefaultDeliveries = 500
	DefaultBytes      = 16 << 20
)

// Option changes how an [Inspector] works. [New] checks the values.
type Option func(*settings)

type settings struct {
	secrets       sonzaihook.Secrets
	authorization string
	tolerance     time.Duration
	authorize     func(*http.Request) bool
	hosts         []string
	deliveries    int
	bytes         int
	faults        Faults
	queue         Queue
	emit          func(context.Context, []byte) error
	timeless      bool             // WithClock was given nil
	now           func() time.Time // nil: time.Now
}

// WithSecrets gives the inspector the secrets of the receiver: it explains with
// them what is wrong with a signature, and signs samples. They are never shown.
// [Inspector.SetSecrets] replaces them. Without secrets the page says only what the
// form and the time of a signature tell.
func WithSecrets(secrets sonzaihook.Secrets) Option {
	return func(s *settings) { s.secrets = clone(secrets) }
}

// WithAuthorization sets the Authorization header that samples are sent with,
// where the receiver demands one with sonzaihook.WithAuthorization. It is never
// shown.
func WithAuthorization(value string) Option {
	return func(s *settings) { s.authorization = value }
}

// WithTolerance sets what the receiver was given as sonzaihook.WithTolerance, for
// the explanation of a signature that is too old. It must be positive; the default
// is sonzaihook.DefaultTolerance.
func WithTolerance(d time.Duration) Option {
	return func(s *settings) { s.tolerance = d }
}

// WithAuthorize says who may look, in place of the default: clients on the
// loopback interface and no proxy in between. It is called for each request of the
// page and decides alone about the address of the client; those it lets in see
// bodies, which are personal data, and may replay deliveries. It is called
// concurrently. See [WithHosts] too. nil keeps the default.
func WithAuthorize(authorize func(*http.Request) bool) Option {
	return func(s *settings) { s.authorize = authorize }
}

// WithHosts sets the names, without a port, under which a browser may ask for the
// page, beside localhost and the loopback addresses: a page of another site that
// lets its own name point here would send another. With [WithAuthorize] and
// without WithHosts every name is taken.
func WithHosts(hosts ...string) Option {
	return func(s *settings) { s.hosts = append(s.hosts, hosts...) }
}

// WithLimits sets how many deliveries are kept and how many bytes they may take
// with all that belongs to them. A fifth of the number and a quarter of the bytes
// are for refused deliveries, which displace no others; a quarter of the bytes is
// for what is being received. Of a body at most a sixteenth of the bytes is kept;
// of a longer one the beginning is shown, and it can be neither explained nor
// replayed. The defaults are 500 deliveries and 16 MiB; at least 5 deliveries and
// 64 KiB are needed.
func WithLimits(deliveries, bytes int) Option {
	return func(s *settings) { s.deliveries, s.bytes = deliveries, bytes }
}

// WithFaults lets the page switch the faults of a simulated platform. The default,
// nil, shows none.
func WithFaults(faults Faults) Option {
	return func(s *settings) { s.faults = faults }
}

// WithClock sets where the inspector reads the time at which a delivery arrived
// and a sample is signed: the receiver's clock. The default is time.Now. It is
// called concurrently.
func WithClock(now func() time.Time) Option {
	return func(s *settings) { s.now, s.timeless = now, now == nil }
}

// Faults lists and switches the faults of a simulated platform. Its methods are called
// concurrently.
type Faults interface {
	// List returns all faults, in the order in which the page shows them.
	List() []Fault
	// Switch turns a fault on or off. An unknown name is an error.
	Switch(name string, on bool) error
}

// Fault is a fault that the page can turn on and off.
type Fault struct {
	Name        string // short and constant: "drop-answer"
	Description string // a sentence
	On          bool
}

func newSettings(options []Option) *settings {
	s := &settings{
		tolerance: sonzaihook.DefaultTolerance, deliveries: DefaultDeliveries, bytes: DefaultBytes,
	}
	for _, option := range options {
		if option == nil {
			panic(fmt.Errorf("%w: inspector: an option is nil", sonzaihook.ErrInvalidOption))
		}
		option(s)
	}
	if err := s.check(); err != nil {
		panic(err)
	}
	return s
}

func (s *settings) check() error {
	switch {
	case s.tolerance <= 0:
		return fmt.Errorf("%w: inspector: WithTolerance(%v), it must be positive", sonzaihook.ErrInvalidOption, s.tolerance)
	case s.deliveries < 5 || s.bytes < 64<<10:
		return fmt.Errorf("%w: inspector: WithLimits(%d, %d), at least 5 and %d", sonzaihook.ErrInvalidOption, s.deliveries, s.bytes, 64<<10)
	case s.timeless:
		return fmt.Errorf("%w: inspector: WithClock(nil)", sonzaihook.ErrInvalidOption)
	}
	for i, host := range s.hosts {
		if _, _, err := net.SplitHostPort(host); host == "" || err == nil {
			return fmt.Errorf("%w: inspector: WithHosts(%q), a name without a port", sonzaihook.ErrInvalidOption, host)
		}
		s.hosts[i] = strings.ToLower(host)
	}
	return nil
}

func clone(secrets sonzaihook.Secrets) sonzaihook.Secrets {
	secrets = maps.Clone(secrets)
	for t, list := range secrets {
		secrets[t] = slices.Clone(list)
	}
	return secrets
}
