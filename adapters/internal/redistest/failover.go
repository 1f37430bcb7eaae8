//go:build unix

package redistest

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

const masterName = "hooks"

// failOver lets Sentinel promote a replica while deliveries arrive, and sends each
// until it is answered 2xx. All clients go through the same failover.
func (s Suite) failOver(t *testing.T) {
	if testing.Short() {
		t.Skip("a failover takes some seconds; run without -short")
	}
	t.Parallel()
	master := start(t)
	host, port, err := net.SplitHostPort(master.Addr())
	must(t, err)
	replica := start(t, "--replicaof", host+" "+port, "--repl-diskless-sync-delay", "0")
	sentinel := startSentinel(t, host, port)
	watch := redis.NewSentinelClient(&redis.Options{Addr: sentinel})
	t.Cleanup(func() { _ = watch.Close() })
	eventually(t, "the sentinel knows the replica", func() bool {
		known, err := watch.Replicas(t.Context(), masterName).Result()
		return err == nil && len(known) == 1 && known[0]["master-link-status"] == "ok" && known[0]["flags"] == "slave"
	})
	stores := map[string]Store{}
	for _, c := range s.Clients {
		stores[c.Name] = c.open(t, Place{Addr: sentinel, Master: masterName})
		claims(t, stores[c.Name], "connected", "a", sonzaihook.Claimed)
	}
	connect(t, master.Addr()).Wait(t.Context(), 1, 5*time.Second)

	half := make(chan struct{}, len(s.Clients))
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		for range s.Clients {
			<-half
		}
		master.Kill()
	}()
	t.Run("deliveries", func(t *testing.T) {
		s.each(t, func(t *testing.T, c Client) {
			deliverThroughout(t, stores[c.Name], func() {
				half <- struct{}{}
				<-killed
			})
		})
	})
	promoted, err := watch.GetMasterAddrByName(t.Context(), masterName).Result()
	must(t, err)
	equal(t, "the master", net.JoinHostPort(promoted[0], promoted[1]), replica.Addr())
}

// deliverThroughout delivers, waits at the half, and checks that all ran.
func deliverThroughout(t *testing.T, store sonzaihook.Store, wait func()) {
	const deliveries = 60
	runs := map[string]int{}
	hooks := newReceiver(t, store, func(id string) { runs[id]++ }, sonzaihook.WithLease(time.Second))
	for i := range deliveries {
		if i == deliveries/2 {
			wait()
		}
		deliverUntilTaken(t, hooks, moodChange(i))
	}
	for i := range deliveries {
		if runs[fmt.Sprint("evt_", i)] == 0 {
			t.Errorf("evt_%d was answered 2xx and never ran", i)
		}
	}
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
	must(t, err)
	addr := l.Addr().String()
	_, own, err := net.SplitHostPort(addr)
	must(t, err)
	must(t, l.Close())
	dir := t.TempDir()
	config := filepath.Join(dir, "sentinel.conf")
	must(t, os.WriteFile(config, fmt.Appendf(nil,
		"port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor %s %s %s 1\n"+
			"sentinel down-after-milliseconds %[3]s 500\nsentinel failover-timeout %[3]s 5000\n",
		own, dir, masterName, host, port), 0o600))
	cmd := exec.Command("redis-server", config, "--sentinel")
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // which says that it was killed
	})
	return addr
}
