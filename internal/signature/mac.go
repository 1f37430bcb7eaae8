package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"maps"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// prefix is not part of the key (observed). The key is the text after it.
const prefix = "whsec_"

// Verify checks that header is a signature of body by secret that is no further
// than tolerance from now.
func Verify(body []byte, header, secret string, now time.Time, tolerance time.Duration) error {
	signers, err := recentSigners(secret)
	if err != nil {
		return err
	}
	var h Header
	if err := h.Parse(header); err != nil {
		return err
	}
	if err := h.CheckTime(now, tolerance); err != nil {
		return err
	}
	s := signers.Get().(*signer)
	defer signers.Put(s)
	if !h.matches(s.sum(h.t, body)) {
		return ErrMismatch
	}
	return nil
}

// SignAll returns the header for a body that is sent at the given time, with a v1
// for each secret.
func SignAll(body []byte, at time.Time, secrets ...string) string {
	t := strconv.FormatInt(at.Unix(), 10)
	header := append(make([]byte, 0, len(t)+2+len(secrets)*(4+2*sha256.Size)), "t="...)
	header = append(header, t...)
	for _, secret := range secrets {
		header = append(header, ",v1="...)
		header = hex.AppendEncode(header, newSigner(secret).sum(t, body)[:])
	}
	return string(header)
}

// signer computes the MACs of one secret. Its hash is keyed once and then reset,
// which is cheaper than keying it again. It is for one goroutine.
type signer struct {
	hash   hash.Hash
	prefix []byte
	mac    [sha256.Size]byte
}

func newSigner(secret string) *signer {
	return &signer{hash: hmac.New(sha256.New, []byte(strings.TrimPrefix(secret, prefix)))}
}

func newSigners(secret string) *sync.Pool {
	return &sync.Pool{New: func() any { return newSigner(secret) }}
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

// recent holds the signers of the secrets with which Verify was last called,
// because keying one costs more than verifying a small body with it.
var recent atomic.Pointer[map[string]*sync.Pool]

const maxRecent = 32

func recentSigners(secret string) (*sync.Pool, error) {
	known := recent.Load()
	if known != nil {
		if signers := (*known)[secret]; signers != nil {
			return signers, nil
		}
	}
	if err := checkBlank(secret); err != nil {
		return nil, err
	}
	next := make(map[string]*sync.Pool)
	if known != nil && len(*known) < maxRecent {
		maps.Copy(next, *known)
	}
	signers := newSigners(secret)
	next[secret] = signers
	recent.CompareAndSwap(known, &next) // a concurrent call may win; the next call adds this secret again
	return signers, nil
}
