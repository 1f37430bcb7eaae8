package sonzaihook

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// AnyEvent stands in [Secrets] for every event type: a secret under it may sign
// a delivery of any type.
const AnyEvent EventType = "*"

// Secrets holds the signing secrets by event type, because the platform answers
// each registration with a secret of its own (documented). Several secrets of
// one type are all valid, which is what a rotation needs.
//
// A secret binds: a delivery that it verified may only be of its type, unless
// the secret stands under [AnyEvent]. Printing Secrets shows how many there
// are, never what they are.
type Secrets map[EventType][]string

// Secret returns Secrets in which each of the given secrets is valid for every
// event type.
func Secret(s ...string) Secrets { return Secrets{AnyEvent: s} }

// Format prints the number of secrets, whatever the verb.
func (s Secrets) Format(f fmt.State, _ rune) {
	n := 0
	for _, secrets := range s {
		n += len(secrets)
	}
	_, _ = fmt.Fprintf(f, "sonzaihook.Secrets(%d secrets of %d event types)", n, len(s))
}

// LogValue logs the number of secrets.
func (s Secrets) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(s)) }

// MarshalText refuses, so that no encoder writes secrets out by accident.
func (s Secrets) MarshalText() ([]byte, error) {
	return nil, fmt.Errorf("%w: secrets are not marshaled", ErrInvalidSecret)
}

func checkSecret(secret string) error {
	key := strings.TrimPrefix(secret, secretPrefix)
	switch {
	case strings.TrimSpace(key) == "":
		return fmt.Errorf("%w: it is empty", ErrInvalidSecret)
	case strings.TrimSpace(secret) != secret, strings.TrimSpace(key) != key:
		return fmt.Errorf("%w: it has white space at an end", ErrInvalidSecret)
	}
	return nil
}

// key is one secret of one event type, in the form that verifies. The secret
// itself is not kept; its digest tells whether two are the same.
type key struct {
	typ     EventType
	digest  [sha256.Size]byte
	until   time.Time // zero: for good
	signers *sync.Pool
}

func newKey(t EventType, secret string) *key {
	return &key{
		typ:     t,
		digest:  sha256.Sum256([]byte(strings.TrimPrefix(secret, secretPrefix))),
		signers: newSigners(secret),
	}
}

func (k *key) verifies(sig *signature, body []byte) bool {
	s := k.signers.Get().(*signer)
	defer k.signers.Put(s)
	return sig.matches(s.sum(sig.t, body))
}

func (k *key) valid(now time.Time) bool { return k.until.IsZero() || now.Before(k.until) }

// keyring is what a receiver verifies with. It never changes; a rotation makes
// another one, so a delivery sees either all of the old keys or all of the new.
type keyring struct {
	byType  map[EventType][]*key
	awaited map[EventType]int // how many new secrets are under way
}

func newKeyring(s Secrets) (*keyring, error) {
	if len(s) == 0 {
		return nil, fmt.Errorf("%w: there are no secrets", ErrInvalidSecret)
	}
	ring := &keyring{byType: make(map[EventType][]*key, len(s))}
	for name, secrets := range s {
		t := canonical(string(name))
		if t == "" || len(secrets) == 0 {
			return nil, fmt.Errorf("%w: event type %q has none", ErrInvalidSecret, name)
		}
		for _, secret := range secrets {
			if err := checkSecret(secret); err != nil {
				return nil, fmt.Errorf("event type %q: %w", name, err)
			}
			ring.byType[t] = append(ring.byType[t], newKey(t, secret))
		}
	}
	return ring, nil
}

// rotated returns a ring in which secret is valid for t for good, and whatever
// was valid for t before stays so until the given time. Rotating to a secret
// that is there already changes nothing about that secret.
func (r *keyring) rotated(t EventType, secret string, now, until time.Time) *keyring {
	next := &keyring{byType: make(map[EventType][]*key, len(r.byType)+1), awaited: r.awaited}
	for other, keys := range r.byType {
		if other != t {
			next.byType[other] = keys
		}
	}
	fresh := newKey(t, secret)
	keys := []*key{fresh}
	for _, old := range r.byType[t] {
		if old.digest == fresh.digest || !old.valid(now) || !until.After(now) {
			continue
		}
		kept := &key{typ: t, digest: old.digest, until: old.until, signers: old.signers}
		if kept.until.IsZero() || kept.until.After(until) {
			kept.until = until
		}
		keys = append(keys, kept)
	}
	next.byType[t] = keys
	return next
}

// verify returns the key that signed the body, or why there is none. The keys of
// the type that the body claims come first, so that their number and not that of
// all secrets is the cost of an accepted delivery; a body whose type cannot be
// read is tried with every key. No key is tried twice.
func (r *keyring) verify(sig *signature, body []byte, claimed EventType, now time.Time) (*key, error) {
	if claimed != "" {
		if k := match(r.byType[claimed], sig, body, now); k != nil {
			return k, nil
		}
		if k := match(r.byType[AnyEvent], sig, body, now); k != nil {
			return k, nil
		}
	}
	for t, keys := range r.byType {
		if claimed != "" && (t == claimed || t == AnyEvent) {
			continue
		}
		k := match(keys, sig, body, now)
		if k != nil && claimed != "" {
			return nil, ErrSecretOfOtherType
		}
		if k != nil {
			return k, nil
		}
	}
	if r.awaits(claimed) {
		return nil, ErrSecretAwaited
	}
	return nil, ErrSignatureMismatch
}

// awaiting returns a ring that awaits n more new secrets of a type.
func (r *keyring) awaiting(t EventType, n int) *keyring {
	next := &keyring{byType: r.byType, awaited: maps.Clone(r.awaited)}
	if next.awaited == nil {
		next.awaited = make(map[EventType]int)
	}
	next.awaited[t] += n
	if next.awaited[t] == 0 {
		delete(next.awaited, t)
	}
	return next
}

// awaits reports whether a new secret is under way that may sign the type.
func (r *keyring) awaits(claimed EventType) bool {
	return len(r.awaited) > 0 && (claimed == "" || r.awaited[claimed] > 0 || r.awaited[AnyEvent] > 0)
}

func match(keys []*key, sig *signature, body []byte, now time.Time) *key {
	for _, k := range keys {
		if k.valid(now) && k.verifies(sig, body) {
			return k
		}
	}
	return nil
}

// has reports whether some secret may sign deliveries of a type.
func (r *keyring) has(t EventType, now time.Time) bool {
	valid := func(k *key) bool { return k.valid(now) }
	return slices.ContainsFunc(r.byType[t], valid) || slices.ContainsFunc(r.byType[AnyEvent], valid)
}

// exclusive reports whether no other event type has the secret of k.
func (r *keyring) exclusive(k *key) bool {
	for t, keys := range r.byType {
		for _, other := range keys {
			if t != k.typ && other.digest == k.digest {
				return false
			}
		}
	}
	return k.typ != AnyEvent
}
