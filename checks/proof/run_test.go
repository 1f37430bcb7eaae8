//go:build unix

package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/internal/redisserver"
)

// TestMain is also the receiver process, which Run starts from this binary.
func TestMain(m *testing.M) {
	if os.Getenv(ReceiverEnv) == "" {
		os.Exit(m.Run())
	}
	if err := ServeReceiver(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestProcesses is the short form of the proof; "make proof" runs the long one.
func TestProcesses(t *testing.T) {
	t.Parallel()
	if err := redisserver.Installed(); err != nil {
		t.Skipf("%v; the form in fake time runs without it", err)
	}
	short := Config{Seed: uint64(time.Now().UnixNano()), Events: 60, Copies: 3, Receivers: 3, Spread: 4 * time.Second, Lease: 3 * time.Second}
	run := func(t *testing.T, change func(*Config)) Report {
		t.Helper()
		c := short
		c.Dir = t.TempDir()
		change(&c)
		t.Logf("seed %d", c.Seed)
		r, err := Run(t.Context(), c)
		require.NoError(t, err)
		return r
	}
	t.Run("the promise holds", func(t *testing.T) {
		r := run(t, func(c *Config) { c.Kills, c.RedisFaults, c.Cuts, c.Fail = 5, 4, 0.05, 0.05 })
		require.NoError(t, r.Held())
		require.Positive(t, r.Kills())
	})
	t.Run("without faults each event runs once", func(t *testing.T) {
		t.Parallel()
		r := run(t, func(c *Config) { c.Spread = time.Second })
		require.NoError(t, r.Held())
		require.Equal(t, short.Events, r.Runs)
	})
	for flaw, want := range flaws {
		t.Run("finds: "+string(flaw), func(t *testing.T) {
			t.Parallel()
			r := run(t, func(c *Config) {
				c.Flaw, c.Fail, c.Spread = flaw, 0.2, time.Second
				if flaw == RunsLateClaims {
					c.Lease = 600 * time.Millisecond // over before the receiver stops waiting for its claim
				}
			})
			require.Error(t, r.Held())
			require.Contains(t, strings.Join(r.Violations, "\n"), want)
		})
	}
}
