// Package signature is the signature scheme of the platform: the header, the MAC,
// what a secret may look like, and which of many secrets signed a delivery.
//
//	header.go   Header: parse "t=…,v1=…", and compare its time with now
//	mac.go      Verify, Sign, SignAll: the MAC of one secret
//	secret.go   CheckSecret: what a secret may not be
//	read.go     ReadDir, ReadEnv: secrets from files and variables
//	ring.go     Ring: the secrets of one project, by registration; rotation
//	keyring.go  Keyring: the rings of a tenant and its projects
//	source.go   Source: asking for the secrets of projects (sourced.go: one project, lru.go, limits.go)
//	fleet.go    Fleet: whether another instance rotates a secret
//
// It knows nothing of requests, bodies or event types beyond their names.
package signature

import "errors"

// The errors of this package. The root of the module returns them under the same
// names.
var (
	ErrMissing       = errors.New("sonzaihook: missing signature")
	ErrMalformed     = errors.New("sonzaihook: malformed signature")
	ErrMismatch      = errors.New("sonzaihook: signature mismatch")
	ErrTimestamp     = errors.New("sonzaihook: timestamp outside tolerance")
	ErrOtherType     = errors.New("sonzaihook: signed with the secret of another event type")
	ErrAwaited       = errors.New("sonzaihook: signature mismatch while a new secret is awaited")
	ErrInvalidSecret = errors.New("sonzaihook: invalid secret")
)
