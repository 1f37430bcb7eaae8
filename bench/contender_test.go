package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A benchmark of a handler that refuses what it should accept, or accepts
// everything, says nothing. These tests are about what the figures rest on.

const otherSecret = "fedcba9876543210fedcba9876543210"

func TestEveryContenderTakesADeliveryThatItsSenderSigned(t *testing.T) {
	t.Parallel()
	for _, c := range served {
		for _, s := range sizes {
			b := newBody(s.bytes, c.layout)
			k, status := delivered(c, b, secret, time.Now(), b.bytes)
			require.Equal(t, http.StatusOK, status, "%s, %s", c.name, s.label)
			require.EqualValues(t, 1, k.events.Load(), "%s, %s", c.name, s.label)
			want := b.items
			if c.skips {
				want = 0
			}
			require.EqualValues(t, want, k.items.Load(), "%s, %s: the payload was not decoded", c.name, s.label)
		}
	}
}

func TestEveryContenderRefusesABodyThatWasChanged(t *testing.T) {
	t.Parallel()
	for _, c := range contenders {
		for _, s := range sizes {
			b := newBody(s.bytes, c.layout)
			changed := b.clone()
			changed.setID(1)
			k, status := delivered(c, b, secret, time.Now(), changed.bytes)
			require.GreaterOrEqual(t, status, 400, "%s, %s", c.name, s.label)
			require.Zero(t, k.events.Load(), "%s, %s", c.name, s.label)
		}
	}
}

func TestEveryContenderRefusesAnotherSecret(t *testing.T) {
	t.Parallel()
	for _, c := range contenders {
		b := newBody(400, c.layout)
		k, status := delivered(c, b, otherSecret, time.Now(), b.bytes)
		require.GreaterOrEqual(t, status, 400, c.name)
		require.Zero(t, k.events.Load(), c.name)
	}
}

func TestEveryContenderThatSeesTheTimeRefusesAnOldDelivery(t *testing.T) {
	t.Parallel()
	for _, c := range contenders {
		b := newBody(400, c.layout)
		_, status := delivered(c, b, secret, time.Now().Add(-staleAge), b.bytes)
		require.Equal(t, c.scheme.stamps, status >= 400, c.name)
	}
}

func TestEveryVerifierTellsATrueSignatureFromAFalseOne(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range append([]*contender{oursTimed, bareHMAC}, contenders...) {
		if c.verifier == nil {
			continue
		}
		b := newBody(2<<10, sonzaiLayout)
		header := c.scheme.headers(c.scheme.sign(b.bytes, secret, now), now)
		verify := c.verifier()
		require.NoError(t, verify(b.bytes, header), c.name)
		b.setID(1)
		require.Error(t, verify(b.bytes, header), c.name)
	}
}

func TestTheSecretIsFoundAmongAllOfThem(t *testing.T) {
	t.Parallel()
	b := newBody(400, sonzaiLayout)
	for _, n := range []int{1, 6, 12} {
		byType, total := secretsByType(n, b.typ), 0
		for _, secrets := range byType {
			total += len(secrets)
		}
		require.Equal(t, n, total)
		require.Equal(t, secret, byType[b.typ][0])
		inOrder := secretsInOrder(n)
		require.Len(t, inOrder, n)
		require.Equal(t, secret, inOrder[n-1])
		now := time.Now()
		require.NoError(t, verifyByHandAny(b.bytes, sonzaiScheme.sign(b.bytes, secret, now), inOrder))
	}
}

// delivered sends body to a contender, signed as if it were what b has.
func delivered(c *contender, b *body, signer string, at time.Time, body []byte) (*sink, int) {
	var k sink
	req := httptest.NewRequest(http.MethodPost, "/webhooks/sonzai", bytes.NewReader(body))
	req.Header = c.scheme.headers(c.scheme.sign(b.bytes, signer, at), at)
	answer := httptest.NewRecorder()
	c.handler(&k, b.typ, []string{secret}).ServeHTTP(answer, req)
	return &k, answer.Code
}
