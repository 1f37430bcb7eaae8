package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// How each contender wants a delivery to be signed. The schemes are the senders'
// side and are never timed.

// secret is 32 bytes for every scheme; some write it in base64.
const secret = "0123456789abcdef0123456789abcdef"

var base64Secret = "whsec_" + base64.StdEncoding.EncodeToString([]byte(secret))

// scheme is a way to sign.
type scheme struct {
	header string // the header that has the signature, the only one that differs by body
	sign   func(body []byte, secret string, at time.Time) string
	others func(at time.Time) map[string]string
	stamps bool // the signature has a time, so an old one can be refused
}

// headers returns the headers of a delivery. The signature is its only value of
// its header, so it can be replaced in place.
func (s *scheme) headers(signature string, at time.Time) http.Header {
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	if s.others != nil {
		for name, value := range s.others(at) {
			h.Set(name, value)
		}
	}
	h[http.CanonicalHeaderKey(s.header)] = []string{signature}
	return h
}

func mac(secret string, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	for _, part := range parts {
		m.Write(part)
	}
	return m.Sum(nil)
}

func stamp(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }

var sonzaiScheme = &scheme{header: sonzaihook.SignatureHeader, sign: sonzaihook.Sign, stamps: true}

var stripeScheme = &scheme{
	header: "Stripe-Signature",
	sign: func(body []byte, secret string, at time.Time) string {
		return "t=" + stamp(at) + ",v1=" + hex.EncodeToString(mac(secret, []byte(stamp(at)+"."), body))
	},
	stamps: true,
}

var paddleScheme = &scheme{
	header: "Paddle-Signature",
	sign: func(body []byte, secret string, at time.Time) string {
		return "ts=" + stamp(at) + ";h1=" + hex.EncodeToString(mac(secret, []byte(stamp(at)+":"), body))
	},
	stamps: true,
}

const messageID = "msg_2b1c9a77"

func standardSign(body []byte, secret string, at time.Time) string {
	return "v1," + base64.StdEncoding.EncodeToString(mac(secret, []byte(messageID+"."+stamp(at)+"."), body))
}

var svixScheme = &scheme{
	header: "Svix-Signature",
	sign:   standardSign,
	others: func(at time.Time) map[string]string {
		return map[string]string{"Svix-Id": messageID, "Svix-Timestamp": stamp(at)}
	},
	stamps: true,
}

var standardScheme = &scheme{
	header: "Webhook-Signature",
	sign:   standardSign,
	others: func(at time.Time) map[string]string {
		return map[string]string{"Webhook-Id": messageID, "Webhook-Timestamp": stamp(at)}
	},
	stamps: true,
}

var githubScheme = &scheme{
	header: "X-Hub-Signature-256",
	sign: func(body []byte, secret string, _ time.Time) string {
		return "sha256=" + hex.EncodeToString(mac(secret, body))
	},
	others: func(time.Time) map[string]string { return map[string]string{"X-Github-Event": "ping"} },
}
