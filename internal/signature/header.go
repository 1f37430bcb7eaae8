package signature

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"math"
	"strings"
	"time"
)

// The limits of the header. While a secret rotates the platform may send one v1
// for each secret; sixteen is more than enough.
const (
	maxSignatures = 16
	maxLength     = 4096
)

// Header is a parsed signature header. The zero Header is ready to parse into.
type Header struct {
	t    string // the literal text, which is what was signed
	unix int64
	macs [maxSignatures][sha256.Size]byte
	n    int
}

// Time returns the time in the signature, in whole seconds; zero if none was read.
func (h *Header) Time() time.Time {
	if h.t == "" {
		return time.Time{}
	}
	return time.Unix(h.unix, 0)
}

// ParseLines reads the lines of a header field. Lines that are equal count once.
// Others are joined by commas (RFC 9110, section 5.3), because gateways cut a
// field at its commas.
func (h *Header) ParseLines(lines []string) error {
	if len(lines) == 1 {
		return h.Parse(lines[0])
	}
	if len(lines) > maxSignatures+1 {
		return malformed("more than 17 header lines")
	}
	var distinct []string
	for _, line := range lines {
		if !contains(distinct, line) {
			distinct = append(distinct, line)
		}
	}
	return h.Parse(strings.Join(distinct, ","))
}

func contains(lines []string, line string) bool {
	for _, other := range lines {
		if other == line {
			return true
		}
	}
	return false
}

// Parse reads a header of the form "t=<digits>,v1=<hex>[,v1=<hex>…]". Spaces after
// a comma, an empty v1 and schemes other than v1 are skipped.
func (h *Header) Parse(header string) error {
	if header == "" {
		return ErrMissing
	}
	if len(header) > maxLength {
		return malformed("longer than 4096 bytes")
	}
	for rest, more := header, true; more; {
		element := rest
		comma := strings.IndexByte(rest, ',')
		if more = comma >= 0; more {
			element, rest = rest[:comma], strings.TrimLeft(rest[comma+1:], " ")
		}
		if err := h.parseElement(element); err != nil {
			return err
		}
	}
	if h.t == "" {
		return malformed("no t")
	}
	if h.n == 0 {
		return malformed("no v1")
	}
	return nil
}

func (h *Header) parseElement(element string) error {
	equals := strings.IndexByte(element, '=')
	if equals <= 0 {
		return malformed("an element is not of the form scheme=value")
	}
	value := element[equals+1:]
	switch element[:equals] {
	case "t":
		return h.parseTime(value)
	case "v1":
		if value == "" {
			return nil // both official verifiers skip it
		}
		return h.parseMAC(value)
	}
	return nil
}

func (h *Header) parseTime(value string) error {
	if h.t != "" {
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
	h.t, h.unix = value, int64(unix)
	return nil
}

func (h *Header) parseMAC(value string) error {
	if h.n == maxSignatures {
		return malformed("more than 16 v1")
	}
	if len(value) != 2*sha256.Size {
		return malformed("v1 is not 64 lowercase hex digits")
	}
	var digits byte
	mac := &h.macs[h.n]
	for i := range mac {
		high, low := hexDigits[value[2*i]], hexDigits[value[2*i+1]]
		digits |= high | low
		mac[i] = high<<4 | low
	}
	if digits > 0xf {
		return malformed("v1 is not 64 lowercase hex digits")
	}
	h.n++
	return nil
}

// hexDigits maps a lowercase hex digit to its value and any other byte to 0xff.
var hexDigits = func() (digits [256]byte) {
	for i := range digits {
		digits[i] = 0xff
	}
	for value, digit := range []byte("0123456789abcdef") {
		digits[digit] = byte(value)
	}
	return digits
}()

// CheckTime compares in unsigned seconds, which cannot overflow for any t.
func (h *Header) CheckTime(now time.Time, tolerance time.Duration) error {
	at, current := h.unix, now.Unix()
	distance := uint64(current) - uint64(at)
	if at > current {
		distance = uint64(at) - uint64(current)
	}
	if tolerance < 0 || distance > uint64(tolerance/time.Second) {
		return &timestampError{distance: distance, future: at > current, tolerance: tolerance}
	}
	return nil
}

// matches compares every v1 in constant time, even after one has matched.
func (h *Header) matches(mac *[sha256.Size]byte) bool {
	match := 0
	for i := range h.macs[:h.n] {
		match |= subtle.ConstantTimeCompare(h.macs[i][:], mac[:])
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
	return fmt.Sprintf("%v: %d s %s, %v allowed", ErrTimestamp, e.distance, direction, e.tolerance)
}

func (e *timestampError) Unwrap() error { return ErrTimestamp }

func malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }
