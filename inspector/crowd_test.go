package inspector

import (
	"fmt"
	"net"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/hooktest"
)

// A thousand pages are open and take nothing of what they are sent, while
// deliveries arrive as fast as they can.
func TestAThousandPagesThatTakeNothingHoldUpNoDelivery(t *testing.T) {
	const pages = 1000
	i := New(receiver(t))
	server := httptest.NewServer(i.Handler())
	defer server.Close()
	defer i.Close()
	address := server.Listener.Addr().String()
	for range pages {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Skipf("no room for %d connections here: %v", pages, err)
		}
		defer func() { _ = conn.Close() }()
		_, err = fmt.Fprintf(conn, "GET /events?after=%s HTTP/1.1\r\nHost: %s\r\n\r\n", i.position(0), address)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return i.live.open.Load() == pages }, 30*time.Second, 10*time.Millisecond)
	h := i.Capture(i.hooks)
	body := message(t, 1600)
	var took []time.Duration
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); { // the news comes twice in it
		started := time.Now()
		hooktest.Deliver(t, h, body)
		took = append(took, time.Since(started))
	}
	deliveries := len(took)
	slices.Sort(took)
	t.Logf("%d deliveries: p50 %v, p99 %v, longest %v", deliveries, took[deliveries/2], took[deliveries*99/100], took[deliveries-1])
	require.Less(t, took[deliveries/2], 5*time.Millisecond, "a delivery waits for no page")
	require.EqualValues(t, deliveries, i.shelf.count().last)
}
