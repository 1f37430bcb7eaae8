package sonzaihook

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/internal/signature"
	"github.com/sonzaihook/sonzaihook/internal/wire"
)

// Verifying allocates nothing: neither reading the header nor finding the key nor
// computing the MAC.
func TestVerifyStepAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool drop what it holds: run this test without -race")
	}
	body := []byte(`{"event_type":"agent.message","data":{"content":"` + strings.Repeat("x", 2000) + `"}}`)
	now := time.Now()
	list, err := Secrets{EventMessage: {"one", "two", "three"}, EventWakeup: {"four"}, AnyEvent: {"five"}}.list()
	require.NoError(t, err)
	keys := signature.NewKeyring(list)
	header := http.Header{SignatureHeader: {Sign(body, "five", now)}, "Content-Type": {"application/json"}}
	settings, err := newSettings(nil)
	require.NoError(t, err)
	allocs := testing.AllocsPerRun(1000, func() {
		var sig signature.Header
		if err := settings.admit(header, now, &sig); err != nil {
			t.Fatal(err)
		}
		peeked, _ := wire.Peek(body, false)
		if _, err := keys.Verify(&sig, body, signature.Query{Type: string(peekedType(&peeked)), Now: now}); err != nil {
			t.Fatal(err)
		}
	})
	require.Less(t, allocs, 0.1, "a pool that the collector emptied is no allocation of the step's")
}

// A refusal that another table knows must be in the table of reasons: an error
// that is forgotten there would be answered as a failure of the user's.
func TestEveryRefusalHasAnAnswer(t *testing.T) {
	t.Parallel()
	for _, reason := range reasons {
		out := Refusal(reason.err)
		require.Equal(t, reason.row.Status, out.Status)
		require.ErrorIs(t, out.Err, reason.err)
	}
	require.Equal(t, CodeFailed, Refusal(errors.New("any other")).Code)
}

func TestEveryAnswerIsConstantJSON(t *testing.T) {
	t.Parallel()
	require.Len(t, answers, 21)
	codes := map[string]bool{}
	for _, row := range answers {
		code := row.Code
		require.False(t, codes[code], code)
		codes[code] = true
		var body map[string]any
		require.NoError(t, json.Unmarshal(row.Body, &body), code)
		require.Equal(t, code, body["code"])
		require.Less(t, len(row.Body), 200)
		forbidden := []int{301, 302, 307, 308, 404, 409, 410, 425, 429}
		require.NotContains(t, forbidden, row.Status, "the platform would stop")
		require.Equal(t, row.Status == http.StatusServiceUnavailable, row.After > 0, "503 says when to come back: %s", code)
	}
}
