package rueidishook

import (
	"time"

	"github.com/sonzaihook/sonzaihook/adapters/internal/redisscript"
)

// DefaultPrefix is what the keys of a store begin with.
const DefaultPrefix = redisscript.DefaultPrefix

// Option changes how a [Store] works. [New] checks the values.
type Option func(*config)

type config struct {
	prefix string
	keep   time.Duration // 0: what the receiver asks for
}

// WithPrefix sets what every key begins with, so that several applications can
// share a server: two receivers recognise each other's deliveries exactly if they
// have the same server, database and prefix. The default is [DefaultPrefix]; the
// empty string is a prefix too.
//
// Two prefixes never share a key, also where one begins with the other. To that
// end a key under another prefix than the default has "%3A" for each colon in the
// identity, and "%:" after a prefix that does not end in a colon. A prefix with a
// hash tag ("{x}") puts all keys on one node of a cluster, which is never needed.
func WithPrefix(prefix string) Option {
	return func(c *config) { c.prefix = prefix }
}

// WithKeep sets for how long a handled delivery is recognised, in whole
// milliseconds, in place of what the receiver asks for, which is 72 hours. Shorter
// saves memory; a copy that comes later runs again. The default, 0, is what the
// receiver asks for, and a negative value is refused.
//
// How long a claim holds is set by sonzaihook.WithLease: the receiver renews it in
// time.
func WithKeep(d time.Duration) Option {
	return func(c *config) { c.keep = d }
}
