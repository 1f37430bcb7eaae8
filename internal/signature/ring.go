package signature

import (
	"crypto/sha256"
	"maps"
	"strings"
	"sync"
	"time"
)

// Any is the name, and the type, of a registration whose secret may sign a
// delivery of any type.
const Any = "*"

// Secret is one secret of a registration. Name is the literal name that was
// registered, Type the event type that the name stands for.
type Secret struct{ Name, Type, Value string }

// Key is a secret in the form that verifies. The secret itself is not kept; its
// digest tells whether two are the same. A Key does not change.
type Key struct {
	Project string // empty: the tenant's
	Name    string
	Type    string

	digest  [sha256.Size]byte
	until   time.Time // zero: no end
	signers *sync.Pool
}

// Retiring reports whether a rotation has replaced the key, which is in its grace.
func (k *Key) Retiring() bool { return !k.until.IsZero() }

func newKey(project string, s Secret) *Key {
	return &Key{
		Project: project, Name: s.Name, Type: s.Type,
		digest:  sha256.Sum256([]byte(strings.TrimPrefix(s.Value, prefix))),
		signers: newSigners(s.Value),
	}
}

// retired returns the key with an end no later than until.
func (k *Key) retired(until time.Time) *Key {
	old := *k
	if old.until.IsZero() || old.until.After(until) {
		old.until = until
	}
	return &old
}

func (k *Key) valid(now time.Time) bool { return k.until.IsZero() || now.Before(k.until) }

func (k *Key) verifies(h *Header, body []byte) bool {
	s := k.signers.Get().(*signer)
	defer k.signers.Put(s)
	return h.matches(s.sum(h.t, body))
}

// Ring is the secrets of one project or of the tenant. It never changes; a rotation
// makes another one, so that a delivery sees either all of the old secrets or all
// of the new. The zero Ring has none.
type Ring struct {
	byType  map[string][]*Key
	awaited map[string]int // by type: how many rotations are in progress
	given   bool           // set by SetSecrets: no source is asked
}

// NewRing returns a ring of the secrets.
func NewRing(project string, secrets []Secret) *Ring {
	r := &Ring{byType: make(map[string][]*Key), given: true}
	for _, s := range secrets {
		r.byType[s.Type] = append(r.byType[s.Type], newKey(project, s))
	}
	return r
}

// replacing returns next with the rotations that r awaits.
func (r *Ring) replacing(next *Ring) *Ring {
	next.awaited = r.awaited
	return next
}

// with returns a ring whose keys of one type are replaced.
func (r *Ring) with(typ string, keys []*Key) *Ring {
	next := &Ring{byType: maps.Clone(r.byType), awaited: r.awaited, given: r.given}
	if next.byType == nil {
		next.byType = make(map[string][]*Key)
	}
	if next.byType[typ] = keys; len(keys) == 0 {
		delete(next.byType, typ)
	}
	return next
}

// rotated returns a ring in which s is valid without end, and the secrets that the
// same registration had stay valid until the given time. The secrets of other
// registrations do not change, even if their names mean the same type. Rotating to a
// secret that is already there does not change that secret.
func (r *Ring) rotated(project string, s Secret, now, until time.Time) *Ring {
	fresh := newKey(project, s)
	keys := []*Key{fresh}
	for _, old := range r.byType[s.Type] {
		switch {
		case old.Name != s.Name:
			keys = append(keys, old)
		case old.digest == fresh.digest, !old.valid(now):
			// replaced by itself, or over
		case until.After(now):
			keys = append(keys, old.retired(until))
		}
	}
	return r.with(s.Type, keys)
}

// awaiting returns a ring that awaits n more rotations of a type.
func (r *Ring) awaiting(typ string, n int) *Ring {
	next := &Ring{byType: r.byType, given: r.given, awaited: maps.Clone(r.awaited)}
	if next.awaited == nil {
		next.awaited = make(map[string]int)
	}
	if next.awaited[typ] += n; next.awaited[typ] == 0 {
		delete(next.awaited, typ)
	}
	return next
}

// awaits reports whether a rotation is in progress whose secret may sign the type.
func (r *Ring) awaits(typ string) bool {
	return len(r.awaited) > 0 && (typ == "" || r.awaited[typ] > 0 || r.awaited[Any] > 0)
}

// match returns the key that signed a body of the given type: one of the type's or
// one for any type. A body whose type is not known is tried with every key. No
// secret is tried twice.
func (r *Ring) match(h *Header, body []byte, typ string, now time.Time) *Key {
	if typ == "" {
		return r.matchOther(h, body, "", now)
	}
	if k := match(r.byType[typ], h, body, now); k != nil {
		return k
	}
	return match(r.byType[Any], h, body, now)
}

// matchOther returns the key that signed a body among those that match has not
// tried for the type.
func (r *Ring) matchOther(h *Header, body []byte, typ string, now time.Time) *Key {
	for other, keys := range r.byType {
		if typ != "" && (other == typ || other == Any) {
			continue
		}
		if k := match(keys, h, body, now); k != nil {
			return k
		}
	}
	return nil
}

func match(keys []*Key, h *Header, body []byte, now time.Time) *Key {
	for i, k := range keys {
		if k.valid(now) && !triedBefore(keys[:i], k, now) && k.verifies(h, body) {
			return k
		}
	}
	return nil
}

// triedBefore reports whether two names of one type have the same secret.
func triedBefore(tried []*Key, k *Key, now time.Time) bool {
	for _, other := range tried {
		if other.digest == k.digest && other.valid(now) {
			return true
		}
	}
	return false
}

// has reports whether a registration has a valid secret, or every registration has.
func (r *Ring) has(name, typ string, now time.Time) bool {
	for _, t := range []string{typ, Any} {
		for _, k := range r.byType[t] {
			if k.valid(now) && (k.Name == name || k.Name == Any) {
				return true
			}
		}
	}
	return false
}

// covers reports whether some valid secret may sign deliveries of a type.
func (r *Ring) covers(typ string, now time.Time) bool {
	for _, t := range []string{typ, Any} {
		for _, k := range r.byType[t] {
			if k.valid(now) {
				return true
			}
		}
	}
	return false
}

// holds reports whether a type has the secret with a digest.
func (r *Ring) holds(typ string, digest [sha256.Size]byte) bool {
	for _, k := range r.byType[typ] {
		if k.digest == digest {
			return true
		}
	}
	return false
}

// exclusive reports whether the secret of k belongs to one event type alone.
func (r *Ring) exclusive(k *Key) bool {
	for typ := range r.byType {
		if typ != k.Type && r.holds(typ, k.digest) {
			return false
		}
	}
	return k.Type != Any
}
