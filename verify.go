// Package sonzaihook receives the webhooks of the Sonzai platform.
package sonzaihook

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// SignatureHeader is the header that carries the signature of a delivery.
const SignatureHeader = "Sonzai-Signature"

// The limits of the signature header. While a secret rotates the platform may
// send one v1 for each secret; sixteen is more than it ever had.
const (
	maxSignatures   = 16
	maxHeaderLength = 4096
	secretPrefix    = "whsec_"
)

// Verify reports whether header is a signature of body by secret that is no
// further than tolerance from now, in either direction. The form of the header,
// what is signed and the key were observed in the platform's SDKs, which allow
// 5 minutes.
//
// It returns nil, or an error that wraps [ErrInvalidSecret],
// [ErrMissingSignature], [ErrMalformedSignature],
// [ErrTimestampOutsideTolerance] or [ErrSignatureMismatch]. The signature has a
// resolution of seconds; a tolerance of zero accepts only the current second.
func Verify(body []byte, header, secret string, now time.Time, tolerance time.Duration) error {
	signers, err := recentSigners(secret)
	if err != nil {
		return err
	}
	var sig signature
	if err := sig.parse(header); err != nil {
		return err
	}
	if err := sig.checkTime(now, tolerance); err != nil {
		return err
	}
	s := signers.Get().(*signer)
	defer signers.Put(s)
	if !sig.matches(s.sum(sig.t, body)) {
		return ErrSignatureMismatch
	}
	return nil
}

// Sign returns the value of the signature header for a body that is sent at the
// given time: "t=<unix seconds>,v1=<hex>". It is what the platform does, for
// tests and tools; the secret is used as it stands, less a leading "whsec_".
func Sign(body []byte, secret string, at time.Time) string {
	t := strconv.FormatInt(at.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(newSigner(secret).sum(t, body)[:])
}

// signature is a parsed signature header. Its t is the literal text, which is
// what was signed.
type signature struct {
	t    string
	unix int64
	macs [maxSignatures][sha256.Size]byte
	n    int
}

// parse reads a header of the form "t=<digits>,v1=<hex>[,v1=<hex>…]". Spaces
// after a comma and schemes other than v1 are passed over.
func (s *signature) parse(header string) error {
	if header == "" {
		return ErrMissingSignature
	}
	if len(header) > maxHeaderLength {
		return malformed("longer than 4096 bytes")
	}
	for rest, more := header, true; more; {
		element := rest
		comma := strings.IndexByte(rest, ',')
		if more = comma >= 0; more {
			element, rest = rest[:comma], strings.TrimLeft(rest[comma+1:], " ")
		}
		if err := s.parseElement(element); err != nil {
			return err
		}
	}
	if s.t == "" {
		return malformed("no t")
	}
	if s.n == 0 {
		return malformed("no v1")
	}
	return nil
}

func (s *signature) parseElement(element string) error {
	equals := strings.IndexByte(element, '=')
	if equals <= 0 {
		return malformed("an element is not of the form scheme=value")
	}
	value := element[equals+1:]
	switch element[:equals] {
	case "t":
		return s.parseTime(value)
	case "v1":
		return s.parseMAC(value)
	}
	return nil
}

func (s *signature) parseTime(value string) error {
	if s.t != "" {
		return malformed("more than one t")
	}
	if value == "" || (value[0] == '0' && len(value) > 1) {
		return malformed("t is empty or has a leading zero")
	}
	unix := uint64(0) // 19 digits fit
	for i := range len(value) {
		digit := value[i] - '0'
		if digit > 9 {
			return malformed("t has something other than digits")
		}
		unix = 10*unix + uint64(digit)
	}
	if len(value) > 19 || unix > math.MaxInt64 {
		return malformed("t is larger than any time")
	}
	s.t, s.unix = value, int64(unix)
	return nil
}

func (s *signature) parseMAC(value string) error {
	if s.n == maxSignatures {
		return malformed("more than 16 v1")
	}
	if len(value) != 2*sha256.Size {
		return malformed("v1 is not 64 lowercase hex digits")
	}
	var digits byte
	mac := &s.macs[s.n]
	for i := range mac {
		high, low := hexDigits[value[2*i]], hexDigits[value[2*i+1]]
		digits |= high | low
		mac[i] = high<<4 | low
	}
	if digits > 0xf {
		return malformed("v1 is not 64 lowercase hex digits")
	}
	s.n++
	return nil
}

// hexDigits maps a lowercase hex digit to its value and all else to 0xff.
var hexDigits = func() (digits [256]byte) {
	for i := range digits {
		digits[i] = 0xff
	}
	for value, digit := range []byte("0123456789abcdef") {
		digits[digit] = byte(value)
	}
	return digits
}()

// checkTime compares in unsigned seconds, which cannot overflow for any t.
func (s *signature) checkTime(now time.Time, tolerance time.Duration) error {
	at, current := s.unix, now.Unix()
	distance := uint64(current) - uint64(at)
	if at > current {
		distance = uint64(at) - uint64(current)
	}
	if tolerance < 0 || distance > uint64(tolerance/time.Second) {
		return &timestampError{distance: distance, future: at > current, tolerance: tolerance}
	}
	return nil
}

// matches compares with every v1 in constant time, whichever is the right one.
func (s *signature) matches(mac *[sha256.Size]byte) bool {
	match := 0
	for i := range s.macs[:s.n] {
		match |= subtle.ConstantTimeCompare(s.macs[i][:], mac[:])
	}
	return match == 1
}

// timestampError says by how much a clock is off. It is built on the way to a
// refusal that must stay cheap, so it formats only when it is read.
type timestampError struct {
	distance  uint64
	future    bool
	tolerance time.Duration
}

func (e *timestampError) Error() string {
	direction := "old"
	if e.future {
		direction = "in the future"
	}
	return fmt.Sprintf("%v: %d s %s, %v allowed", ErrTimestampOutsideTolerance, e.distance, direction, e.tolerance)
}

func (e *timestampError) Unwrap() error { return ErrTimestampOutsideTolerance }

func malformed(what string) error {
	return fmt.Errorf("%w: %s", ErrMalformedSignature, what)
}

// signer computes the MACs of one secret. Its hash is keyed once and then
// reset, which is cheaper than keying it again. It is for one goroutine.
type signer struct {
	hash   hash.Hash
	prefix []byte
	mac    [sha256.Size]byte
}

func newSigner(secret string) *signer {
	return &signer{hash: hmac.New(sha256.New, []byte(strings.TrimPrefix(secret, secretPrefix)))}
}

func newSigners(secret string) *sync.Pool {
	return &sync.Pool{New: func() any { return newSigner(secret) }}
}

// recent holds the signers of the secrets with which Verify was last called,
// because keying one costs more than to verify a small body with it.
var recent atomic.Pointer[map[string]*sync.Pool]

const maxRecent = 32

func recentSigners(secret string) (*sync.Pool, error) {
	known := recent.Load()
	if known != nil {
		if signers := (*known)[secret]; signers != nil {
			return signers, nil
		}
	}
	if err := checkSecret(secret); err != nil {
		return nil, err
	}
	next := make(map[string]*sync.Pool)
	if known != nil && len(*known) < maxRecent {
		maps.Copy(next, *known)
	}
	signers := newSigners(secret)
	next[secret] = signers
	recent.CompareAndSwap(known, &next) // else another call adds its own, and this one's turn comes again
	return signers, nil
}

// sum returns the MAC of t, a dot and the body. It is valid until the next call.
func (s *signer) sum(t string, body []byte) *[sha256.Size]byte {
	s.prefix = append(append(s.prefix[:0], t...), '.')
	s.hash.Reset()
	s.hash.Write(s.prefix)
	s.hash.Write(body)
	s.hash.Sum(s.mac[:0])
	return &s.mac
}
