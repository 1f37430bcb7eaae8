package sonzaihook

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Verifying allocates nothing: neither reading the header nor finding the key nor
// computing the MAC.
func TestVerifyStepAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool drop what it holds: run this test without -race")
	}
	body := []byte(`{"event_type":"agent.message","data":{"content":"` + strings.Repeat("x", 2000) + `"}}`)
	now := time.Now()
	ring, err := newKeyring(Secrets{EventMessage: {"one", "two", "three"}, EventWakeup: {"four"}, AnyEvent: {"five"}})
	require.NoError(t, err)
	header := http.Header{SignatureHeader: {Sign(body, "five", now)}, "Content-Type": {"application/json"}}
	settings, err := newSettings(nil)
	require.NoError(t, err)
	r := &Receiver{settings: settings}
	allocs := testing.AllocsPerRun(1000, func() {
		var sig signature
		if err := r.admit(header, now, &sig); err != nil {
			t.Fatal(err)
		}
		if _, err := ring.verify(&sig, body, canonical(peekName(body)), now); err != nil {
			t.Fatal(err)
		}
	})
	require.Less(t, allocs, 0.1, "a pool that the collector emptied is no allocation of the step's")
}

// One MAC for each secret at most, and only those of the type that the body says
// where one of them fits.
func TestOnlyTheSecretsOfTheTypeAreTriedForAnAcceptedDelivery(t *testing.T) {
	t.Parallel()
	secrets := Secrets{}
	for _, typ := range EventTypes() {
		secrets[typ] = []string{"old " + string(typ), "new " + string(typ)}
	}
	for _, c := range []struct {
		secret string
		tried  int
		err    error
	}{
		{"old agent.message", 1, nil},
		{"new agent.message", 2, nil},
		{"nobody", 12, ErrSignatureMismatch},
	} {
		ring, err := newKeyring(secrets)
		require.NoError(t, err)
		tried := 0
		for _, keys := range ring.byType {
			for _, k := range keys {
				fresh := k.signers.New
				k.signers.New = func() any {
					tried++
					return fresh()
				}
			}
		}
		now, body := time.Now(), []byte(`{"event_type":"agent.message"}`)
		var sig signature
		require.NoError(t, sig.parse(Sign(body, c.secret, now)))
		_, err = ring.verify(&sig, body, EventMessage, now)
		require.ErrorIs(t, err, c.err)
		require.Equal(t, c.tried, tried, c.secret)
	}
}

// A refusal that another table knows must be in the table of reasons: an error
// that is forgotten there would be answered as a failure of the user's.
func TestEveryRefusalHasAnAnswer(t *testing.T) {
	t.Parallel()
	for _, reason := range reasons {
		out := Refusal(reason.err)
		require.Equal(t, reason.answer.status, out.Status)
		require.ErrorIs(t, out.Err, reason.err)
	}
	require.Equal(t, CodeFailed, Refusal(errors.New("any other")).Code)
}

func TestEveryAnswerIsConstantJSON(t *testing.T) {
	t.Parallel()
	require.Len(t, answers, 21)
	codes := map[string]bool{}
	for _, answer := range answers {
		code := answer.code
		require.False(t, codes[code], code)
		codes[code] = true
		var body map[string]any
		require.NoError(t, json.Unmarshal(answer.body, &body), code)
		require.Equal(t, code, body["code"])
		require.Less(t, len(answer.body), 200)
		forbidden := []int{301, 302, 307, 308, 404, 409, 410, 425, 429}
		require.NotContains(t, forbidden, answer.status, "the platform would stop")
		require.Equal(t, answer.status == http.StatusServiceUnavailable, answer.after > 0, "503 says when to come back: %s", code)
	}
}

func TestTypeIsPeekedOnlyWhereItCanBeTrusted(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"event_type":"a"}`:                          "a",
		`{"type":"b","event_type":"a"}`:               "a",
		`{"event":"c","type":"b"}`:                    "b",
		`{"event":"c"}`:                               "c",
		`{"event":{"type":"x"},"type":"b"}`:           "b",
		`{"x":{"event_type":"x"},"event_type":"a"}`:   "a",
		`{"x":"\"event_type\":\"x\"","type":"b"}`:     "b",
		`{"x":"\\","type":"b"}`:                       "b",
		`{"x":[1,2,{"y":"]}"}],"n":1e5 , "type":"b"}`: "b",
		`{"event_type":5,"type":"b"}`:                 "b",
		`{"event_type":null,"type":"b"}`:              "b",
		`{}`:                                          "",
		``:                                            "",
		`[]`:                                          "",
		`"event_type"`:                                "",
		`{"event_type"`:                               "",
		`{"event_type":`:                              "",
		`{"event_type":"a`:                            "",
		`{"x":1`:                                      "",
		`{"x":"`:                                      "",
		`{"x":{`:                                      "",
		`{"x":1 "type":"b"}`:                          "",
		`{"x":1]`:                                     "",
		`{1:2,"type":"b"}`:                            "",
		`{"event\u005ftype":"a"}`:                     "",
		`{"event_type":"\u0061"}`:                     "",
		`{"type":"b","event_type":"\u0061"}`:          "",
	} {
		require.Equal(t, want, string(peekName([]byte(body))), body)
	}
}

// arriving is a body that arrives a few bytes at a time.
type arriving struct {
	left, step, most int
}

func (a *arriving) Read(p []byte) (int, error) {
	a.most = max(a.most, len(p))
	n := min(a.left, a.step, len(p))
	if a.left -= n; a.left == 0 {
		return n, io.EOF
	}
	return n, nil
}

func TestBufferOfABodyGrowsWithWhatArrives(t *testing.T) { // not parallel: the pools are everybody's
	for _, c := range []struct {
		name                  string
		arrives               int
		limit, announced      int64
		length, capacity, ask int
	}{
		{"short and announced", 400, 1 << 20, 400, 400, 0, 401},
		{"empty", 0, 1 << 20, 0, 0, 0, 1},
		{"longer", 10_000, 1 << 20, 10_000, 10_000, smallBuffer, smallBuffer},
		{"large and announced", 256 << 10, 1 << 20, 256 << 10, 256 << 10, 262_145, 131_073},
		{"less than announced", 100, 1 << 20, 1 << 19, 100, smallBuffer, smallBuffer},
		{"chunked", 400, 1 << 20, -1, 400, smallBuffer, smallBuffer},
		{"large and chunked", 100 << 10, 1 << 20, -1, 100 << 10, 128 << 10, 64 << 10},
		{"over the limit", 2000, 1001, -1, 1001, smallBuffer, 1001},
		{"short and over the limit", 2000, 1001, 1500, 1001, 0, 1001},
		{"more than announced", 20_000, 1 << 20, 10, 20_000, 32 << 10, smallBuffer},
	} {
		for largeBuffers.Get() != nil { // what other tests left there would be used
		}
		from := &arriving{left: c.arrives, step: 1 << 20}
		body, lent, err := readUpTo(from, c.limit, c.announced)
		require.NoError(t, err)
		require.Len(t, body, c.length, c.name)
		require.Equal(t, c.ask, from.most, c.name)
		if c.capacity == 0 {
			require.Nil(t, lent, c.name)
			continue
		}
		require.Equal(t, c.capacity, cap(lent.bytes), c.name)
	}
	slow := &arriving{left: 64 << 10, step: 100}
	body, _, err := readUpTo(slow, 1<<20, 64<<10)
	require.NoError(t, err)
	require.Len(t, body, 64<<10)
}
