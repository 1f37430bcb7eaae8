package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"

	paddle "github.com/PaddleHQ/paddle-go-sdk/v4"
	playground "github.com/go-playground/webhooks/v6/github"
	"github.com/google/go-github/v88/github"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	stripewebhook "github.com/stripe/stripe-go/v85/webhook"
	svix "github.com/svix/svix-webhooks/go"

	"github.com/sonzaihook/sonzaihook"
)

// The peers: libraries for the webhooks of others, each with a delivery signed
// as its own sender signs. A peer that only verifies is followed by the decoding
// of the handler by hand, which is what its users write behind it.

const maxBody = 2 << 20

// verifying is a handler that reads, verifies with a peer and goes on by hand.
func verifying(s *sink, verify func([]byte, http.Header) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			http.Error(w, "unreadable", http.StatusBadRequest)
			return
		}
		if err := verify(body, r.Header); err != nil {
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		dispatchByHand(w, body, s)
	})
}

var stripePeer = &contender{
	name:   "stripe-go",
	about:  "webhook.ConstructEvent, then the payload from event.Data.Raw; the same payload in the envelope that it insists on; verify is webhook.ValidatePayload",
	scheme: stripeScheme,
	layout: stripeLayout,
	verifier: func() func([]byte, http.Header) error {
		return func(body []byte, header http.Header) error {
			return stripewebhook.ValidatePayload(body, header.Get("Stripe-Signature"), secret)
		}
	},
	handler: func(s *sink, _ sonzaihook.EventType, secrets []string) http.Handler {
		options := stripewebhook.ConstructEventOptions{IgnoreAPIVersionMismatch: true}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
			if err != nil {
				http.Error(w, "unreadable", http.StatusBadRequest)
				return
			}
			event, err := stripewebhook.ConstructEventWithOptions(body, r.Header.Get("Stripe-Signature"), secrets[0], options)
			if err != nil {
				http.Error(w, "unauthorized", http.StatusUnauthorized)
				return
			}
			if err := payloadByHand(string(event.Type), event.Data.Raw, s); err != nil {
				http.Error(w, "bad request", http.StatusBadRequest)
				return
			}
			w.WriteHeader(http.StatusOK)
		})
	},
}

var svixPeer = &contender{
	name:     "svix-webhooks",
	about:    "Webhook.Verify, then by hand",
	scheme:   svixScheme,
	verifier: func() func([]byte, http.Header) error { return svixWebhook().Verify },
	handler: func(s *sink, _ sonzaihook.EventType, _ []string) http.Handler {
		return verifying(s, svixWebhook().Verify)
	},
}

func svixWebhook() *svix.Webhook {
	w, err := svix.NewWebhook(base64Secret)
	if err != nil {
		panic(err)
	}
	return w
}

var standardPeer = &contender{
	name:     "standard-webhooks",
	about:    "Webhook.Verify, then by hand",
	scheme:   standardScheme,
	verifier: func() func([]byte, http.Header) error { return standardWebhook().Verify },
	handler: func(s *sink, _ sonzaihook.EventType, _ []string) http.Handler {
		return verifying(s, standardWebhook().Verify)
	},
}

func standardWebhook() *standardwebhooks.Webhook {
	w, err := standardwebhooks.NewWebhook(base64Secret)
	if err != nil {
		panic(err)
	}
	return w
}

var paddlePeer = &contender{
	name:   "paddle-go-sdk",
	about:  "WebhookVerifier.Middleware with a tolerance of 5 minutes, then by hand; verify is WebhookVerifier.Verify, which reads the body of a request",
	scheme: paddleScheme,
	verifier: func() func([]byte, http.Header) error {
		verifier := paddle.NewWebhookVerifier(secret, paddle.VerifierWithTimestampTolerance(5*time.Minute))
		req, reader := &http.Request{Method: http.MethodPost}, bytes.NewReader(nil)
		source := io.NopCloser(reader)
		return func(body []byte, header http.Header) error {
			reader.Reset(body)
			req.Header, req.Body = header, source
			ok, err := verifier.Verify(req)
			if err == nil && !ok {
				err = errUnauthorized
			}
			return err
		}
	},
	handler: func(s *sink, _ sonzaihook.EventType, secrets []string) http.Handler {
		verifier := paddle.NewWebhookVerifier(secrets[0], paddle.VerifierWithTimestampTolerance(5*time.Minute))
		return verifier.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				http.Error(w, "unreadable", http.StatusBadRequest)
				return
			}
			dispatchByHand(w, body, s)
		}))
	},
}

var playgroundPeer = &contender{
	name:   "go-playground/webhooks",
	about:  "github.New and Parse of a ping, the smallest of its types; it decodes into its own types only, so it skips the payload that the others decode, and it has no time to check",
	scheme: githubScheme,
	skips:  true,
	handler: func(s *sink, _ sonzaihook.EventType, secrets []string) http.Handler {
		hook, err := playground.New(playground.Options.Secret(secrets[0]))
		if err != nil {
			panic(err)
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			event, err := hook.Parse(r, playground.PingEvent)
			if errors.Is(err, playground.ErrHMACVerificationFailed) {
				http.Error(w, "unauthorized", http.StatusUnauthorized)
				return
			}
			if err != nil {
				http.Error(w, "bad request", http.StatusBadRequest)
				return
			}
			if _, ok := event.(playground.PingPayload); ok {
				s.took(0)
			}
			w.WriteHeader(http.StatusOK)
		})
	},
}

var githubPeer = &contender{
	name:   "go-github",
	about:  "ValidatePayload, then by hand; verify is ValidateSignature; it has no time to check",
	scheme: githubScheme,
	verifier: func() func([]byte, http.Header) error {
		key := []byte(secret)
		return func(body []byte, header http.Header) error {
			return github.ValidateSignature(header.Get(github.SHA256SignatureHeader), body, key)
		}
	},
	handler: func(s *sink, _ sonzaihook.EventType, secrets []string) http.Handler {
		key := []byte(secrets[0])
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := github.ValidatePayload(r, key)
			if err != nil {
				http.Error(w, "unauthorized", http.StatusUnauthorized)
				return
			}
			dispatchByHand(w, body, s)
		})
	},
}
