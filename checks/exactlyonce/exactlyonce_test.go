//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/internal/mariadbserver"
	"github.com/sonzaihook/sonzaihook/internal/postgresserver"
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

// short is the short form of a run; -h of the command says what the long one is.
func short(t *testing.T, database string, queue bool) Config {
	return Config{
		Seed: uint64(time.Now().UnixNano()), Database: database, Queue: queue, Events: 60, Copies: 3, Instances: 3,
		Spread: 3 * time.Second, Lease: 2 * time.Second, Kills: len(points(queue)), Freezes: 1, Crashes: 1, Dir: t.TempDir(),
	}
}

func run(t *testing.T, c Config) Report {
	t.Helper()
	t.Logf("seed %d", c.Seed)
	r, err := Run(t.Context(), c)
	if errors.Is(err, postgresserver.ErrNotInstalled) || errors.Is(err, mariadbserver.ErrNotInstalled) {
		t.Skip(err)
	}
	require.NoError(t, err)
	return r
}

func TestThereIsOneRowForEachEvent(t *testing.T) {
	for _, database := range Databases {
		t.Run(database, func(t *testing.T) {
			r := run(t, short(t, database, false))
			require.NoError(t, r.Held())
			require.Equal(t, r.Events, r.Rows)
			require.NotEmpty(t, r.Kills)
		})
	}
}

func TestThereIsOneRowForEachEventThatWasQueued(t *testing.T) {
	for _, database := range []string{"postgres", "mariadb", "sqlite"} {
		t.Run(database, func(t *testing.T) {
			r := run(t, short(t, database, true))
			require.NoError(t, r.Held())
			require.Equal(t, r.Events, r.Rows)
			require.NotEmpty(t, r.Kills)
		})
	}
}

func TestEachFlawIsFoundOut(t *testing.T) {
	for _, test := range []struct {
		flaw  Flaw
		queue bool
		found func(Report) int
	}{
		{MarksFirst, false, func(r Report) int { return r.Lost }},
		{CommitsOutside, false, func(r Report) int { return r.Doubled }},
		{WithoutFence, false, func(r Report) int { return r.Doubled }},
		{CommitsOutside, true, func(r Report) int { return r.Doubled }},
		{AnswersEarly, true, func(r Report) int { return r.Lost }},
	} {
		t.Run(fmt.Sprint(test.flaw, ", queue ", test.queue), func(t *testing.T) {
			c := short(t, "sqlite", test.queue)
			c.Flaw, c.Events, c.Kills, c.Freezes = test.flaw, 150, 3*len(points(test.queue)), 2
			r := run(t, c)
			require.Positive(t, test.found(r), "%+v", r)
		})
	}
}
