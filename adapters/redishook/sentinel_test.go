//go:build unix

package redishook_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// failOver lets Sentinel promote a replica while deliveries arrive, and sends each
// until it is answered 2xx.
func failOver(t *testing.T) {
	if testing.Short() {
		t.Skip("a failover takes some seconds; run without -short")
	}
	master := start(t)
	host, port, err := net.SplitHostPort(master.Addr())
	require.NoError(t, err)
	replica := start(t, "--replicaof", host+" "+port)
	sentinel := startSentinel(t, host, port)
	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: "hooks", SentinelAddrs: []string{sentinel}, ContextTimeoutEnabled: true,
	})
	t.Cleanup(func() { _ = client.Close() })
	store := newStore(t, client)
	watch := redis.NewSentinelClient(&redis.Options{Addr: sentinel})
	t.Cleanup(func() { _ = watch.Close() })
	require.Eventually(t, func() bool {
		known, err := watch.Replicas(t.Context(), "hooks").Result()
		return err == nil && len(known) == 1 && known[0]["master-link-status"] == "ok" && known[0]["flags"] == "slave"
	}, 30*time.Second, 50*time.Millisecond)

	runs := map[string]int{}
	hooks := newReceiver(t, store, sonzaihook.WithLease(time.Second))
	hooks.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
		runs[e.ID]++
		return nil
	})
	const deliveries = 60
	for i := range deliveries {
		if i == deliveries/2 {
			master.Kill()
		}
		deliverUntilTaken(t, hooks, moodChange(i))
	}
	for i := range deliveries {
		require.Positive(t, runs[fmt.Sprint("evt_", i)], "a delivery was answered 2xx and never ran")
	}
	promoted, err := watch.GetMasterAddrByName(t.Context(), "hooks").Result()
	require.NoError(t, err)
	require.Equal(t, replica.Addr(), net.JoinHostPort(promoted[0], promoted[1]))
}

func deliverUntilTaken(t *testing.T, hooks http.Handler, body []byte) {
	t.Helper()
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		if hooktest.Deliver(t, hooks, body).Code == http.StatusOK {
			return
		}
	}
	t.Fatal("no 2xx within a minute")
}

// startSentinel runs a sentinel that alone decides over one master.
func startSentinel(t *testing.T, host, port string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	_, own, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	dir := t.TempDir()
	config := filepath.Join(dir, "sentinel.conf")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil,
		"port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor hooks %s %s 1\n"+
			"sentinel down-after-milliseconds hooks 1000\nsentinel failover-timeout hooks 5000\n", own, dir, host, port), 0o600))
	cmd := exec.Command("redis-server", config, "--sentinel")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Kill())
		var exit *exec.ExitError
		require.ErrorAs(t, cmd.Wait(), &exit)
	})
	return addr
}
