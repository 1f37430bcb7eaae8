package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Leases of the world. A claim in the short one can be over before the receiver
// stops waiting for it.
const (
	longLease  = 3 * time.Second
	shortLease = 900 * time.Millisecond
)

func TestManySeedsInFakeTime(t *testing.T) {
	t.Parallel()
	const seeds = 200
	var mu sync.Mutex
	var total Verdict
	t.Run("seeds", func(t *testing.T) {
		for seed := range uint64(seeds) {
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					c := worldConfig{events: 12, kills: 5, lease: longLease, stalls: seed%4 != 0, fail: 0.1}
					if seed%3 == 0 {
						c.lease = shortLease
					}
					v := runWorld(t, seed, c)
					require.Empty(t, v.Violations)
					mu.Lock()
					defer mu.Unlock()
					total.Runs += v.Runs
					total.Reruns += v.Reruns
					total.Failed += v.Failed
				})
			})
		}
	})
	t.Logf("%d seeds: %d runs, %d failed, %d reruns", seeds, total.Runs, total.Failed, total.Reruns)
	require.Positive(t, total.Reruns, "no fault ever struck between run and commit")
}

func TestWithoutFaultsEachEventRunsOnceInFakeTime(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				v := runWorld(t, seed, worldConfig{events: 40, lease: longLease, faultless: true})
				require.Empty(t, v.Violations)
				require.Equal(t, 40, v.Runs)
			})
		})
	}
}

func TestEachFlawIsFoundInFakeTime(t *testing.T) {
	t.Parallel()
	for flaw, want := range flaws {
		for seed := range uint64(5) {
			t.Run(fmt.Sprint(flaw, ", seed ", seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					c := worldConfig{events: 40, lease: longLease, flaw: flaw, fail: 0.2}
					if flaw == RunsLateClaims {
						c.lease = shortLease
					}
					v := runWorld(t, seed, c)
					require.Contains(t, strings.Join(v.Violations, "\n"), want)
				})
			})
		}
	}
}

// flaws are what must be said of a receiver with each.
var flaws = map[Flaw]string{
	CommitsFirst:   "before any run had finished",
	KeepsFailures:  "was put off although no run was under way",
	AcceptsRunning: "before any run had finished",
	CommitsOnce:    "its commit could have been tried again",
	RunsLateClaims: "before an earlier run had ended",

	RefusesOddFields:  "which is final",
	ForgetsProjects:   "before any run had finished",
	ForgetsTypes:      "before any run had finished",
	ForgetsAgents:     "before any run had finished",
	BareIDs:           "before any run had finished",
	ForgetsPayloads:   "before any run had finished",
	ForgetsSchedules:  "before any run had finished",
	TakesPlaceholders: "before any run had finished",
}
