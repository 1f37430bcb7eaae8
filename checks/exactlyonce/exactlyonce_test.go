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
	for _, database := range queued {
		t.Run(database, func(t *testing.T) {
			r := run(t, short(t, database, true))
			require.NoError(t, r.Held())
			require.Equal(t, r.Events, r.Rows)
			require.NotEmpty(t, r.Kills)
		})
	}
}

func TestAnEventThatKillsItsWorkerIsGivenUpAndCostsNoOther(t *testing.T) {
	for _, database := range queued {
		t.Run(database, func(t *testing.T) {
			c := short(t, database, true)
			c.Events, c.Poison, c.Kills, c.Freezes, c.Crashes = 120, 2, 0, 0, 0
			r := run(t, c)
			t.Logf("%+v", r)
			require.NoError(t, r.Held())
			require.Equal(t, r.Events-c.Poison, r.Rows)
			require.Equal(t, c.Poison, r.Dead)
			require.NotEmpty(t, r.Kills)
		})
	}
}

func TestEachFlawIsFoundOut(t *testing.T) {
	for _, test := range []struct {
		flaw     Flaw
		database string
		queue    bool
		kills    int
		point    string // where a kill shows it
		found    func(Report) int
	}{
		{MarksFirst, "sqlite", false, 12, beforeWrite, func(r Report) int { return r.Lost }},
		{CommitsOutside, "sqlite", false, 12, afterWrite, func(r Report) int { return r.Doubled }},
		// A killed holder commits nothing: what shows this one is a run that outlives its lease.
		{WithoutFence, "postgres", false, 0, "", func(r Report) int { return r.Doubled }},
		{CommitsOutside, "postgres", true, 12, beforeCommit, func(r Report) int { return r.Doubled }},
		{AnswersEarly, "sqlite", true, 12, afterAnswer, func(r Report) int { return r.Lost }},
	} {
		t.Run(fmt.Sprint(test.flaw, ", queue ", test.queue), func(t *testing.T) {
			c := short(t, test.database, test.queue)
			c.Flaw, c.Points, c.Events, c.Kills, c.Freezes, c.Crashes = test.flaw, []string{test.point}, 150, test.kills, 2, 0
			if test.flaw == AnswersEarly {
				c.Copies = 1 // another copy would be queued
			}
			r := run(t, c)
			t.Logf("%+v", r)
			require.Positive(t, test.found(r), "%+v", r)
		})
	}
}
