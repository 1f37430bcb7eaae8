package sonzaihook_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/testdata"
	"github.com/stretchr/testify/require"
)

// vector is one row of testdata/signatures.json.
type vector struct {
	Name      string
	Secret    string
	Body      string
	Header    string
	Now       int64
	Tolerance int64 `json:"tolerance_seconds"`
	Verdict   string
}

func vectors(tb testing.TB) []vector {
	tb.Helper()
	file, err := testdata.Files.ReadFile("signatures.json")
	require.NoError(tb, err)
	var all []vector
	require.NoError(tb, json.Unmarshal(file, &all))
	require.NotEmpty(tb, all)
	return all
}

func (v vector) verify() error {
	return sonzaihook.Verify([]byte(v.Body), v.Header, v.Secret, time.Unix(v.Now, 0), time.Duration(v.Tolerance)*time.Second)
}

var verdicts = map[string]error{
	"ok":                nil,
	"missing":           sonzaihook.ErrMissingSignature,
	"malformed":         sonzaihook.ErrMalformedSignature,
	"outside_tolerance": sonzaihook.ErrTimestampOutsideTolerance,
	"mismatch":          sonzaihook.ErrSignatureMismatch,
	"invalid_secret":    sonzaihook.ErrInvalidSecret,
}

func TestVerifyGivesTheVerdictOfEachVector(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, v := range vectors(t) {
		want, known := verdicts[v.Verdict]
		require.True(t, known, "%s: verdict %q", v.Name, v.Verdict)
		seen[v.Verdict] = true
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			err := v.verify()
			if want == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, want)
			for _, other := range verdicts {
				if other != nil && !errors.Is(other, want) {
					require.NotErrorIs(t, err, other)
				}
			}
			require.NotContains(t, err.Error(), "0123456789abcdef")
		})
	}
	require.Len(t, seen, len(verdicts), "every verdict has a vector")
}

func TestSignMakesWhatVerifyAccepts(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 9, 30, 0, 999, time.UTC)
	for _, secret := range []string{"whsec_abc", "abc", "whsec_whsec_abc", "with space inside", "ünï"} {
		for _, body := range []string{"", "{}", "\x00\xff"} {
			header := sonzaihook.Sign([]byte(body), secret, now)
			require.NoError(t, sonzaihook.Verify([]byte(body), header, secret, now, time.Second))
		}
	}
	require.Equal(t, sonzaihook.Sign(nil, "abc", now), sonzaihook.Sign(nil, "whsec_abc", now))
}

func TestTimestampErrorSaysByHowMuch(t *testing.T) {
	t.Parallel()
	signed := time.Unix(1_700_000_000, 0)
	header := sonzaihook.Sign(nil, "abc", signed)
	for after, want := range map[time.Duration]string{
		412 * time.Second:  "sonzaihook: timestamp outside tolerance: 412 s old, 5m0s allowed",
		-301 * time.Second: "sonzaihook: timestamp outside tolerance: 301 s in the future, 5m0s allowed",
	} {
		err := sonzaihook.Verify(nil, header, "abc", signed.Add(after), 5*time.Minute)
		require.EqualError(t, err, want)
	}
	require.ErrorIs(t, sonzaihook.Verify(nil, header, "abc", signed, -time.Second), sonzaihook.ErrTimestampOutsideTolerance)
}
