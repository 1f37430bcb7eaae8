package sonzaihook_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
	"github.com/sonzaihook/sonzaihook/testdata"
	"github.com/stretchr/testify/require"
)

// Whatever Verify accepts, a plain computation of the HMAC accepts too.
func FuzzVerify(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add([]byte(v.Body), v.Header, v.Secret, v.Now)
	}
	f.Fuzz(func(t *testing.T, body []byte, header, secret string, now int64) {
		err := sonzaihook.Verify(body, header, secret, time.Unix(now, 0), 5*time.Minute)
		if err == nil {
			require.True(t, plainlyVerified(body, header, secret), "%q", header)
			return
		}
		require.NotContains(t, err.Error(), "v1=", "an error that quotes the header")
	})
}

// plainlyVerified computes the MAC of the t in the header and looks for it there.
func plainlyVerified(body []byte, header, secret string) bool {
	var t string
	for element := range strings.SplitSeq(header, ",") {
		if value, found := strings.CutPrefix(strings.TrimSpace(element), "t="); found {
			t = value
		}
	}
	mac := hmac.New(sha256.New, []byte(strings.TrimPrefix(secret, "whsec_")))
	mac.Write([]byte(t + "." + string(body)))
	return strings.Contains(header, "v1="+hex.EncodeToString(mac.Sum(nil)))
}

func fixtures(tb testing.TB) (bodies [][]byte) {
	tb.Helper()
	names, err := fs.Glob(testdata.Files, "agent.*.json")
	require.NoError(tb, err)
	for _, name := range names {
		body, err := testdata.Files.ReadFile(name)
		require.NoError(tb, err)
		bodies = append(bodies, body)
	}
	return bodies
}

// An authentic body is processed or refused with a dead letter, and a body that
// is not is refused with the one answer.
func FuzzReceive(f *testing.F) {
	for _, body := range fixtures(f) {
		f.Add(body, "", "application/json")
	}
	for _, row := range answerRows {
		f.Add(row.body, "t=1,v1=00", "text/plain")
	}
	f.Fuzz(func(t *testing.T, body []byte, header, contentType string) {
		hooks := recorder.New(t, nil).HandleAll(nil).KeepDeadLetters(nil)
		done := func() []int { return []int{hooks.Runs.Len(), hooks.DeadLetters.Len()} }
		signed := http.Header{
			"Content-Type":             {contentType},
			sonzaihook.SignatureHeader: {sonzaihook.Sign(body, hooktest.Secret, time.Now())},
		}
		out := hooks.Receive(t.Context(), signed, body)
		switch out.Code {
		case sonzaihook.CodeProcessed:
			require.Equal(t, []int{1, 0}, done())
			require.True(t, json.Valid(bytes.TrimPrefix(body, []byte("\ufeff"))), "%q", body)
			require.NotEmpty(t, out.Type)
			require.NotEmpty(t, out.DeliveryID)
			require.Equal(t, sonzaihook.CodeDuplicate, hooks.Receive(t.Context(), signed, body).Code)
		case sonzaihook.CodeUndecodable:
			require.Equal(t, []int{0, 1}, done())
			require.ErrorIs(t, out.Err, sonzaihook.ErrUndecodable)
		case sonzaihook.CodeUnsupportedMediaType:
			require.Equal(t, []int{0, 0}, done())
		default:
			t.Fatalf("%s: %v", out.Code, out.Err)
		}
		before := done()
		forged := hooks.Receive(t.Context(), http.Header{sonzaihook.SignatureHeader: {header}}, body)
		if !plainlyVerified(body, header, hooktest.Secret) {
			require.Equal(t, sonzaihook.CodeUnauthorized, forged.Code)
			require.Equal(t, before, done())
		}
	})
}

// What is decoded has the type that stands in the body, whichever secret was
// tried first because of what was peeked, and is the signed body.
func FuzzDecode(f *testing.F) {
	for _, body := range fixtures(f) {
		f.Add(body)
	}
	for _, row := range answerRows {
		f.Add(row.body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		secrets := sonzaihook.Secrets{sonzaihook.AnyEvent: {"any"}}
		for _, typ := range sonzaihook.EventTypes() {
			secrets[typ] = []string{"secret of " + string(typ)}
		}
		hooks := recorder.New(t, secrets).Receiver
		now := time.Now()
		d, err := verify(hooks, body, "any", now)
		if err != nil {
			require.ErrorIs(t, err, sonzaihook.ErrUndecodable)
			return
		}
		if name := plainType(t, body); name != "" {
			require.Equal(t, name, d.Name)
		}
		require.Equal(t, sonzaihook.CanonicalType(d.Name), d.Type)
		require.Equal(t, body, d.Body)
		for _, typ := range sonzaihook.EventTypes() {
			bound, err := verify(hooks, body, "secret of "+string(typ), now)
			if plainType(t, body) == "" { // then the secret names it
				require.NoError(t, err)
				require.Equal(t, typ, bound.Type)
				continue
			}
			if typ != d.Type {
				require.ErrorIs(t, err, sonzaihook.ErrSecretOfOtherType)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, d.ID, bound.ID)
		}
	})
}

func verify(hooks *sonzaihook.Receiver, body []byte, secret string, at time.Time) (*sonzaihook.Delivery, error) {
	req, err := http.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set(sonzaihook.SignatureHeader, sonzaihook.Sign(body, secret, at))
	return hooks.Verify(req)
}

// plainType reads the type with another decoder.
func plainType(t *testing.T, body []byte) string {
	t.Helper()
	var envelope map[string]any
	require.NoError(t, json.Unmarshal(bytes.TrimPrefix(body, []byte("\ufeff")), &envelope))
	text := func(key string) string {
		name, _ := envelope[key].(string)
		if strings.TrimSpace(name) == "" {
			return ""
		}
		return name
	}
	known := func(name string) bool {
		return slices.ContainsFunc(sonzaihook.EventTypes(), func(t sonzaihook.EventType) bool { return sonzaihook.CanonicalType(name) == t })
	}
	switch first, second := text("type"), text("event"); {
	case text("event_type") != "":
		return text("event_type")
	case !known(first) && known(second), first == "":
		return second
	default:
		return first
	}
}
