package signature

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sonzaihook/sonzaihook/internal/snapshot"
)

// Scope is the tenant or one project: a ring that changes. It is safe for
// concurrent use.
type Scope struct {
	project string
	ring    snapshot.Of[Ring]
	owner   *Keyring

	watchers snapshot.Of[[]*chan<- struct{}]
}

// Set replaces all secrets.
func (s *Scope) Set(secrets []Secret) {
	next := NewRing(s.project, secrets)
	s.ring.Change(func(now *Ring) *Ring { return now.replacing(next) })
	s.owner.noteUnnamed(s, false)
}

// Rotate makes a secret valid, and those that its registration had before for no
// longer than until.
func (s *Scope) Rotate(secret Secret, now, until time.Time) {
	s.ring.Change(func(r *Ring) *Ring { return r.rotated(s.project, secret, now, until) })
	if s.owner.Source != nil && s.project != "" {
		s.owner.Source.retire(s.project, secret, until)
	}
	s.owner.noteUnnamed(s, false)
}

// Await records that a rotation for a type has begun (n is 1) or has ended (-1).
func (s *Scope) Await(typ string, n int) {
	s.ring.Change(func(r *Ring) *Ring { return r.awaiting(typ, n) })
}

// Has reports whether a registration has a valid secret, or one for any type is valid.
func (s *Scope) Has(name, typ string, now time.Time) bool { return s.ring.Load().has(name, typ, now) }

// Keyring is what a receiver verifies with: the secrets of the tenant and of any
// number of projects. It is safe for concurrent use.
type Keyring struct {
	Tenant *Scope
	Source *Source // nil: none
	Fleet  *Fleet  // nil: no other instance is known
	// Expects reports whether deliveries of a type are expected although it may have
	// no secret yet. It must be set if Fleet is.
	Expects func(typ string) bool

	projects sync.Map // of *Scope by project
	any      atomic.Bool

	mu      sync.Mutex
	unnamed atomic.Pointer[[]*Scope] // tried for a delivery that names no project, the most recent first
	search  limiter
}

// maxUnnamed is how many projects are tried for a delivery that names none.
const maxUnnamed = 8

// NewKeyring returns a keyring with the tenant's secrets.
func NewKeyring(tenant []Secret) *Keyring {
	k := &Keyring{search: limiter{perSecond: 32}}
	k.unnamed.Store(&[]*Scope{})
	k.Tenant = k.newScope("")
	k.Tenant.Set(tenant)
	return k
}

func (k *Keyring) newScope(project string) *Scope {
	s := &Scope{project: project, owner: k}
	s.ring.Set(&Ring{})
	return s
}

// Project returns the scope of a project, and makes it at the first call.
func (k *Keyring) Project(id string) *Scope {
	if s, ok := k.projects.Load(id); ok {
		return s.(*Scope)
	}
	s, _ := k.projects.LoadOrStore(id, k.newScope(id))
	k.any.Store(true)
	return s.(*Scope)
}

// HasProjects reports whether a delivery's project matters.
func (k *Keyring) HasProjects() bool { return k.any.Load() || k.Source != nil }

// noteUnnamed remembers a project for deliveries that name none: first if it has
// just verified one, else last and only if there is room.
func (k *Keyring) noteUnnamed(s *Scope, verified bool) {
	if s.project == "" || verified && (*k.unnamed.Load())[0] == s {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	recent := slices.Clone(*k.unnamed.Load())
	at := slices.Index(recent, s)
	switch {
	case verified && at >= 0:
		recent = slices.Insert(slices.Delete(recent, at, at+1), 0, s)
	case at >= 0 || len(recent) == maxUnnamed:
		return
	default:
		recent = append(recent, s)
	}
	k.unnamed.Store(&recent)
}

// Covers reports whether the tenant or some project has a valid secret for a type.
func (k *Keyring) Covers(typ string, now time.Time) bool {
	covered := k.Tenant.ring.Load().covers(typ, now)
	k.projects.Range(func(_, s any) bool {
		covered = covered || s.(*Scope).ring.Load().covers(typ, now)
		return !covered
	})
	return covered
}

// Query is what is known of a delivery before its signature is checked.
type Query struct {
	Type    string // empty: not known
	Project string // empty: it names none
	Now     time.Time
}

// Match is the key that signed a delivery.
type Match struct {
	*Key
	ring *Ring
}

// Exclusive reports whether no other event type has the secret.
func (m Match) Exclusive() bool { return m.ring.exclusive(m.Key) }

// Allows reports whether the secret may sign deliveries of a type.
func (m Match) Allows(typ string) bool {
	return m.Type == typ || m.Type == Any || m.ring.holds(typ, m.digest) || m.ring.holds(Any, m.digest)
}

// Verify returns the key that signed the body, or why there is none. A delivery
// that names a project is tried with the secrets of that project and the tenant's,
// and then with those of the source; one that names none is tried with the tenant's
// and those of the projects that last verified such a delivery. Only secrets of the
// type and of Any are tried, so that the cost does not depend on how many types and
// projects there are; a body whose type is not known is tried with all of them.
func (k *Keyring) Verify(h *Header, body []byte, q Query) (Match, error) {
	var room [maxUnnamed + 2]*Ring
	rings, asks := k.rings(q.Project, room[:0])
	for i, ring := range rings {
		if key := ring.match(h, body, q.Type, q.Now); key != nil {
			if q.Project == "" && i > 0 {
				k.noteUnnamed(k.Project(key.Project), true)
			}
			return Match{key, ring}, nil
		}
	}
	if asks {
		ring, err := k.Source.again(q.Project)
		switch {
		case errors.Is(err, ErrUnknownProject):
		case err != nil:
			return Match{}, err
		default:
			if key := ring.match(h, body, q.Type, q.Now); key != nil {
				return Match{key, ring}, nil
			}
		}
	}
	return Match{}, k.refusal(rings, h, body, q)
}

// rings appends the rings to try for a delivery that names the project, or none,
// and reports whether the source is to be asked after them.
func (k *Keyring) rings(project string, to []*Ring) (rings []*Ring, asks bool) {
	tenant := k.Tenant.ring.Load()
	if project == "" {
		to = append(to, tenant)
		for _, s := range *k.unnamed.Load() {
			to = append(to, s.ring.Load())
		}
		return to, false
	}
	asks = k.Source != nil
	if s, ok := k.projects.Load(project); ok {
		ring := s.(*Scope).ring.Load()
		to, asks = append(to, ring), asks && !ring.given
	}
	if asks {
		if ring := k.Source.ring(project); ring != nil {
			to = append(to, ring)
		}
	}
	return append(to, tenant), asks
}

// refusal returns why no key verified. It is useful to know that the secret of another
// type did, so that is tried a few times per second, but not for each forged request.
func (k *Keyring) refusal(rings []*Ring, h *Header, body []byte, q Query) error {
	if q.Type != "" && k.search.allow(q.Now) {
		for _, r := range rings {
			if r.matchOther(h, body, q.Type, q.Now) != nil {
				return ErrOtherType
			}
		}
	}
	for _, r := range rings {
		if r.awaits(q.Type) {
			return ErrAwaited
		}
	}
	if k.Fleet == nil {
		return ErrMismatch
	}
	switch awaited, err := k.awaits(q, rings); {
	case err != nil:
		return err
	case awaited:
		return ErrAwaited
	}
	return ErrMismatch
}
