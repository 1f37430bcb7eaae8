package inspector

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/hooktest"
)

// reader reads a stream of events.
type reader struct {
	t     *testing.T
	lines *bufio.Scanner
}

func listen(t *testing.T, url, last string) (*reader, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	require.NoError(t, err)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	answer, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() {
		cancel()
		_ = answer.Body.Close()
	})
	require.Equal(t, "text/event-stream", answer.Header.Get("Content-Type"))
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	return &reader{t, lines}, cancel
}

// next returns the next event that is not empty news.
func (r *reader) next() (name, id string, n news) {
	r.t.Helper()
	for r.lines.Scan() {
		key, value, _ := strings.Cut(r.lines.Text(), ": ")
		switch key {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			require.NoError(r.t, json.Unmarshal([]byte(value), &n))
			if name != "rows" || len(n.Rows) > 0 {
				return name, id, n
			}
		}
	}
	r.t.Fatal("the stream ended")
	return "", "", n
}

func TestAStreamTellsWhatArrivesAndWhatWasMissed(t *testing.T) {
	t.Parallel()
	i := New(receiver(t))
	server := httptest.NewServer(i.Handler())
	defer server.Close()
	defer i.Close()
	h := i.Capture(i.hooks)
	hooktest.Deliver(t, h, message(t, 1))
	r, cancel := listen(t, server.URL+"/events?after="+i.position(0), "")
	name, id, n := r.next()
	require.Equal(t, "rows", name)
	require.EqualValues(t, 1, n.Rows[0].Seq)
	require.Equal(t, i.position(1), id)
	require.Eventually(t, func() bool { return i.live.open.Load() == 1 }, 10*time.Second, time.Millisecond)
	hooktest.Deliver(t, h, message(t, 2), hooktest.Tampered())
	_, id, n = r.next()
	require.Equal(t, "refused", n.Rows[0].Kind)
	require.Equal(t, map[string]int{"handled": 1, "refused": 1}, n.Counts)
	cancel()
	require.Eventually(t, func() bool { return i.live.open.Load() == 0 }, 10*time.Second, time.Millisecond)
	hooktest.Deliver(t, h, message(t, 3))
	r, _ = listen(t, server.URL+"/events", id)
	_, _, n = r.next()
	require.Len(t, n.Rows, 1)
	require.EqualValues(t, 3, n.Rows[0].Seq)
}

func TestAPageOfAnotherProcessIsToldToReload(t *testing.T) {
	t.Parallel()
	i := New(receiver(t))
	server := httptest.NewServer(i.Handler())
	defer server.Close()
	defer i.Close()
	r, _ := listen(t, server.URL+"/events", "OTHER-7")
	name, _, _ := r.next()
	require.Equal(t, "reload", name)
}

func TestMoreThanAPieceHoldsIsCountedByKind(t *testing.T) {
	t.Parallel()
	i := New(receiver(t))
	h := i.Capture(i.hooks)
	from := i.shelf.count()
	for range 300 {
		hooktest.Deliver(t, h, message(t, 1), hooktest.Unsigned())
	}
	hooktest.Deliver(t, h, message(t, 1))
	_, data, _ := strings.Cut(string(i.piece(from, i.shelf.count(), mostRows)), "data: ")
	var n news
	require.NoError(t, json.Unmarshal([]byte(data), &n))
	require.Equal(t, map[string]int{"refused": 250}, n.Missed, "a flood hides no other kind")
	require.Len(t, n.Rows, mostRows+1)
}

func TestASlowPageIsToldToReloadAndHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	i := New(receiver(t))
	slow, ok := i.live.enter()
	require.True(t, ok)
	quick, ok := i.live.enter()
	require.True(t, ok)
	for range mostBehind + 5 {
		i.live.hand([]byte("x"))
		<-quick.pieces
	}
	require.True(t, slow.behind.Load())
	require.False(t, quick.behind.Load())
	require.Len(t, slow.pieces, mostBehind)
	i.live.leave(slow)
	i.live.leave(quick)
	require.Nil(t, i.live.stop, "nothing runs while no page is open")
}

func TestCloseEndsStreamsAndTakesNoMore(t *testing.T) {
	t.Parallel()
	i := New(receiver(t))
	server := httptest.NewServer(i.Handler())
	defer server.Close()
	r, _ := listen(t, server.URL+"/events?after="+i.position(0), "")
	i.Close()
	i.Close()
	for r.lines.Scan() {
	}
	answer, err := http.Get(server.URL + "/events")
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusNoContent, answer.StatusCode)
	hooktest.Deliver(t, i.Capture(i.hooks), message(t, 1))
	require.Len(t, i.shelf.all(), 1)
}
