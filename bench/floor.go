package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/sonzaihook/sonzaihook"
)

// The floors: what the work costs if nothing is done but the work. A floor knows
// beforehand what a receiver has to find out, and recovers from nothing.

// floor is the handler below which no receiver can be.
var floor = &contender{
	name:   "floor",
	about:  "reads into a pooled buffer, checks with a pre-keyed HMAC, decodes once with the decoder of sonzaihook into a type that it knows beforehand; no store, no recover, no timeout, no log",
	scheme: sonzaiScheme,
	handler: func(s *sink, t sonzaihook.EventType, secrets []string) http.Handler {
		if t == sonzaihook.EventConsolidation {
			return bare(secrets[0], func(e *bareEvent[sonzaihook.Consolidation]) { s.took(len(e.Data.DiaryEntries)) })
		}
		return bare(secrets[0], func(e *bareEvent[sonzaihook.MemoryAdded]) { s.took(len(e.Data.Entities)) })
	},
}

// idle is what a server costs before anything is received.
var idle = &contender{
	name:   "no receiver",
	about:  "reads the body, throws it away and answers: what net/http and the kernel take by themselves",
	scheme: sonzaiScheme,
	skips:  true,
	handler: func(s *sink, _ sonzaihook.EventType, _ []string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err == nil {
				s.took(0)
			}
			w.Header()["Content-Type"] = bareType
			w.WriteHeader(http.StatusOK)
			_, _ = w.Write(bareAnswer)
		})
	},
}

type bareEvent[T any] struct {
	EventType string    `json:"event_type"`
	EventID   string    `json:"event_id"`
	AgentID   string    `json:"agent_id"`
	UserID    string    `json:"user_id"`
	ProjectID string    `json:"project_id"`
	CreatedAt time.Time `json:"created_at"`
	Data      T         `json:"data"`
}

var (
	bareType   = []string{"application/json"}
	bareAnswer = []byte("{\"code\":\"processed\"}\n")
)

func bare[T any](secret string, take func(*bareEvent[T])) http.Handler {
	buffers := sync.Pool{New: func() any { return new(bytes.Buffer) }}
	macs := sync.Pool{New: func() any { return newKeyed(secret) }}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := buffers.Get().(*bytes.Buffer)
		defer buffers.Put(b)
		b.Reset()
		b.Grow(int(r.ContentLength) + bytes.MinRead)
		if _, err := b.ReadFrom(r.Body); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		m := macs.Get().(*keyed)
		defer macs.Put(m)
		if !m.checks(r.Header["Sonzai-Signature"][0], b.Bytes()) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		event := new(bareEvent[T])
		if err := jsonv2.Unmarshal(b.Bytes(), event); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		take(event)
		w.Header()["Content-Type"] = bareType
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(bareAnswer)
	})
}

// keyed is an HMAC that was keyed once.
type keyed struct {
	hash   hash.Hash
	prefix []byte
	want   [sha256.Size]byte
	got    [sha256.Size]byte
}

func newKeyed(secret string) *keyed {
	return &keyed{hash: hmac.New(sha256.New, []byte(secret))}
}

func (k *keyed) sum(stamp string, body []byte) []byte {
	k.prefix = append(append(k.prefix[:0], stamp...), '.')
	k.hash.Reset()
	k.hash.Write(k.prefix)
	k.hash.Write(body)
	return k.hash.Sum(k.got[:0])
}

// checks reads a header of the one form that the benchmark sends.
func (k *keyed) checks(header string, body []byte) bool {
	stamp, signature, _ := strings.Cut(strings.TrimPrefix(header, "t="), ",v1=")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || len(signature) != 2*sha256.Size {
		return false
	}
	if age := time.Now().Unix() - seconds; age > 300 || age < -300 {
		return false
	}
	if _, err := hex.Decode(k.want[:], []byte(signature)); err != nil {
		return false
	}
	return subtle.ConstantTimeCompare(k.sum(stamp, body), k.want[:]) == 1
}

// The floors of the table about verifying.

var bareSHA = &contender{
	name:   "floor: SHA-256 of the body",
	about:  "crypto/sha256 over the body, without a key and without a comparison",
	scheme: sonzaiScheme,
	verifier: func() func([]byte, http.Header) error {
		return func(body []byte, _ http.Header) error {
			if sum := sha256.Sum256(body); sum == [sha256.Size]byte{} {
				return errUnauthorized // never, but the sum is used
			}
			return nil
		}
	},
}

var bareHMAC = &contender{
	name:   "floor: pre-keyed HMAC",
	about:  "crypto/hmac, keyed once and reset, over the time, a dot and the body, and a comparison; the header is parsed beforehand",
	scheme: sonzaiScheme,
	verifier: func() func([]byte, http.Header) error {
		k := newKeyed(secret)
		var stamp string
		return func(body []byte, header http.Header) error {
			if stamp == "" {
				var signature string
				stamp, signature, _ = strings.Cut(strings.TrimPrefix(header["Sonzai-Signature"][0], "t="), ",v1=")
				if _, err := hex.Decode(k.want[:], []byte(signature)); err != nil {
					return err
				}
			}
			if subtle.ConstantTimeCompare(k.sum(stamp, body), k.want[:]) != 1 {
				return errUnauthorized
			}
			return nil
		}
	},
}

// oursTimed leaves the clock out, as the two floors do.
var oursTimed = &contender{
	name:   "sonzaihook.Verify, clock read beforehand",
	about:  "the function by itself, which takes the time as an argument",
	scheme: sonzaiScheme,
	verifier: func() func([]byte, http.Header) error {
		now := time.Now()
		return func(body []byte, header http.Header) error {
			return sonzaihook.Verify(body, header[sonzaihook.SignatureHeader][0], secret, now, sonzaihook.DefaultTolerance)
		}
	},
}
