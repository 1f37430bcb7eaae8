package redishook

import "time"

// DefaultPrefix is what the keys of a store begin with.
const DefaultPrefix = "sonzaihook:"

// Option changes how a [Store] works. [New] checks the values.
type Option func(*Store)

// WithPrefix sets what every key begins with, so that several applications can
// share a server: two receivers recognise each other's deliveries exactly if they
// have the same server, database and prefix. The default is [DefaultPrefix]; the
// empty string uses identities as they are. A prefix with a hash tag ("{x}") puts
// all keys on one node of a cluster, which is never needed.
func WithPrefix(prefix string) Option {
	return func(s *Store) { s.prefix = prefix }
}

// WithKeep sets for how long a handled delivery is recognised, in whole
// milliseconds, in place of what the receiver asks for, which is 72 hours. Shorter
// saves memory; a copy that comes later runs again. The default, 0, is what the
// receiver asks for, and a negative value is refused.
//
// For how long a claim holds is not the store's to say, because the receiver
// renews it in time: that is sonzaihook.WithLease.
func WithKeep(d time.Duration) Option {
	return func(s *Store) { s.keep = d }
}
