//go:build unix

package main

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/internal/redisserver"
)

// TestMain is also the receiver process, which Run starts from this binary.
func TestMain(m *testing.M) {
	if os.Getenv(receiverEnv) == "" {
		os.Exit(m.Run())
	}
	if err := serveReceiver(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func TestAFleetRotatesWithoutRefusingAGoodDelivery(t *testing.T) {
	if err := redisserver.Installed(); err != nil {
		t.Skip(err)
	}
	c := Config{Seed: uint64(time.Now().UnixNano()), Projects: 20, Instances: 3, Kills: 8, For: 15 * time.Second, Every: 20 * time.Millisecond}
	c.Dir = t.TempDir()
	r, err := Run(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, r.Held())
	require.Positive(t, r.Rotations)
	require.NotEmpty(t, r.Kills)
	t.Logf("%+v", r)
}

func TestInstancesThatAnnounceNothingAreFoundOut(t *testing.T) {
	if err := redisserver.Installed(); err != nil {
		t.Skip(err)
	}
	c := Config{Seed: uint64(time.Now().UnixNano()), Projects: 20, Instances: 3, For: 6 * time.Second, Every: 5 * time.Millisecond, Quiet: true}
	c.Dir = t.TempDir()
	r, err := Run(t.Context(), c)
	require.NoError(t, err)
	require.Positive(t, r.Refused)
	require.Error(t, r.Held())
}
