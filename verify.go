package sonzaihook

import (
	"time"

	"github.com/sonzaihook/sonzaihook/internal/signature"
)

// SignatureHeader is the header that carries the signature of a delivery.
const SignatureHeader = "Sonzai-Signature"

// Verify reports whether header is a signature of body by secret that is no
// further than tolerance from now, in either direction. The form of the header,
// what is signed and the key are those of the platform's SDKs (observed), which
// allow 5 minutes.
//
// It returns nil, or an error that wraps [ErrInvalidSecret],
// [ErrMissingSignature], [ErrMalformedSignature],
// [ErrTimestampOutsideTolerance] or [ErrSignatureMismatch]. The signature has a
// resolution of seconds; a tolerance of zero accepts only the current second.
func Verify(body []byte, header, secret string, now time.Time, tolerance time.Duration) error {
	return signature.Verify(body, header, secret, now, tolerance)
}

// Sign returns the value of the signature header for a body that is sent at the
// given time: "t=<unix seconds>,v1=<hex>". It is what the platform does, for
// tests and tools; the secret is used as it is, without a leading "whsec_".
func Sign(body []byte, secret string, at time.Time) string {
	return signature.SignAll(body, at, secret)
}
