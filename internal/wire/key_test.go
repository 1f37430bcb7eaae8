package wire

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNoPartOfAKeyLooksLikeAnother(t *testing.T) {
	t.Parallel()
	parts := []string{"", "a", "/", "a/", "%2F", "%", "é", "a b"}
	seen := map[string][3]string{}
	for _, project := range parts {
		for _, agent := range parts {
			for _, id := range parts {
				key, of := Key(project, "t", agent, "event:", id), [3]string{project, agent, id}
				other, known := seen[key]
				require.False(t, known, "%q and %q are both %q", other, of, key)
				seen[key] = of
			}
		}
	}
	require.Equal(t, "p/agent.message/luna/event:evt_1", Key("p", "agent.message", "luna", "event:", "evt_1"))
}

func TestALongKeyIsShortened(t *testing.T) {
	t.Parallel()
	fits, long := strings.Repeat("k", maxKey), strings.Repeat("k", maxKey+1)
	require.Equal(t, fits, Shorten(fits))
	require.Len(t, Shorten(long), len("sha256:")+64)
	require.NotEqual(t, Shorten(long), Shorten(long+"k"))
}

func TestHeadersThatSayTheBodyIsNotPlainJSONAreRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		header, value string
		ok            bool
	}{
		{"Content-Type", "", true},
		{"Content-Type", "application/json", true},
		{"Content-Type", "Application/Vnd.Sonzai+JSON; v=1", true},
		{"Content-Type", "application/json; charset=\"", true},
		{"Content-Type", "application/json, application/json", true},
		{"Content-Type", "application/json, text/plain", false},
		{"Content-Type", "application/x-www-form-urlencoded", false},
		{"Content-Type", strings.Repeat(" ", maxMedia) + "application/json", false},
		{"Content-Encoding", "identity, UTF-8", true},
		{"Content-Encoding", "gzip", false},
		{"Content-Encoding", strings.Repeat(",", maxMedia+1), false},
	} {
		err := CheckMedia(http.Header{test.header: {test.value}})
		if test.ok {
			require.NoError(t, err, test.value)
		} else {
			require.ErrorIs(t, err, ErrUnsupportedMediaType, test.value)
		}
	}
	require.NoError(t, CheckMedia(nil))
}
