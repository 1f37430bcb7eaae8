package pgxhook

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/internal/sqlclaim"
)

// Option changes how a [Store] works. [New] checks the values.
type Option func(*Store)

// maxNamespace is how many bytes a namespace may have.
const maxNamespace = 64

// WithNamespace keeps services apart that share a database: two receivers
// recognise each other's deliveries exactly if they have the same database and
// namespace. The default is the empty string. At most 64 bytes are allowed.
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

// WithLogger sets where the store logs that a callback failed after its transaction
// was committed. The default is slog.Default(), and nil is refused.
func WithLogger(logger *slog.Logger) Option {
	return func(s *Store) { s.logger = logger }
}

// WithUnsyncedClaims lets claims not wait for the disk, which saves one of the two
// flushes of a delivery. A server that crashes may forget the claims of the last
// moments, and a copy may then run beside a callback; what callbacks write under
// [Store.InTx] still happens once, because "done" waits for the disk.
func WithUnsyncedClaims() Option {
	return func(s *Store) { s.statements = sqlclaim.PostgresUnsynced }
}

func (s *Store) check() error {
	switch {
	case len(s.namespace) > maxNamespace:
		return fmt.Errorf("pgxhook: %w: WithNamespace of %d bytes, %d are allowed", sonzaihook.ErrInvalidOption, len(s.namespace), maxNamespace)
	case s.keep < 0:
		return fmt.Errorf("pgxhook: %w: WithKeep(%v), it must not be negative", sonzaihook.ErrInvalidOption, s.keep)
	case s.logger == nil:
		return fmt.Errorf("pgxhook: %w: WithLogger(nil), use slog.DiscardHandler to be silent", sonzaihook.ErrInvalidOption)
	}
	return nil
}
