package sqlhook

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// Option changes how a [Store] works. [New] checks the values.
type Option func(*Store)

// maxNamespace is how many bytes a namespace may have.
const maxNamespace = 64

// WithNamespace keeps services apart that share a database: two receivers
// recognise each other's deliveries exactly if they have the same database and
// namespace. The default is the empty string. It may have 64 bytes.
func WithNamespace(namespace string) Option {
	return func(s *Store) { s.namespace = append([]byte{}, namespace...) }
}

// WithKeep sets for how long a handled delivery is recognised, in place of what
// the receiver asks for, which is 72 hours. Shorter saves rows; a copy that comes
// later runs again. The default, 0, is what the receiver asks for, and a negative
// value is refused.
func WithKeep(d time.Duration) Option {
	return func(s *Store) { s.keep = d }
}

// WithLogger sets where the store logs what no caller is told: that a callback
// failed after its transaction was committed, and what a queue does without being
// asked. The default is slog.Default(), and nil is refused.
func WithLogger(logger *slog.Logger) Option {
	return func(s *Store) { s.logger = logger }
}

// WithUnsyncedClaims lets claims on PostgreSQL not wait for the disk, which saves
// one of the two flushes of a delivery. A server that crashes may forget the claims
// of the last moments, and a copy may then run beside a callback; what callbacks
// write under [Store.InTx] still happens once, because "done" waits for the disk.
// Other databases have no such setting, and it is refused.
func WithUnsyncedClaims() Option {
	return func(s *Store) { s.unsynced = true }
}

func (s *Store) check() error {
	switch {
	case len(s.namespace) > maxNamespace:
		return fmt.Errorf("sqlhook: %w: WithNamespace of %d bytes, %d are allowed", sonzaihook.ErrInvalidOption, len(s.namespace), maxNamespace)
	case s.keep < 0:
		return fmt.Errorf("sqlhook: %w: WithKeep(%v), it must not be negative", sonzaihook.ErrInvalidOption, s.keep)
	case s.logger == nil:
		return fmt.Errorf("sqlhook: %w: WithLogger(nil), use slog.DiscardHandler to be silent", sonzaihook.ErrInvalidOption)
	case s.unsynced && s.dialect != Postgres:
		return fmt.Errorf("sqlhook: %w: WithUnsyncedClaims on %v, it is for Postgres", sonzaihook.ErrInvalidOption, s.dialect)
	}
	return nil
}
