package main

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheMedianIsTheMiddle(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 2, median([]float64{9, 1, 2}), 0)
	require.InDelta(t, 3, median([]float64{9, 4, 1, 2}), 0)
}

func TestARatioIsTakenWithinARound(t *testing.T) {
	t.Parallel()
	slow := result{samples: []sample{{ns: 20}, {ns: 200}, {ns: 2}}}
	fast := result{samples: []sample{{ns: 10}, {ns: 100}, {ns: 1}}}
	require.InDelta(t, 2, slow.over(&fast), 0)
	require.InDelta(t, 0.5, fast.over(&slow), 0)
}

func TestEveryLaneRunsOnceInARoundAndTheOrderRotates(t *testing.T) {
	t.Parallel()
	var order []string
	calibrated := 0
	var lanes []lane
	for _, name := range []string{"a", "b", "c"} {
		lanes = append(lanes, lane{
			name:    name,
			waits:   true,
			prepare: func(int) error { return nil },
			run: func(int) error {
				if calibrated++; calibrated > 3 {
					order = append(order, name)
				}
				time.Sleep(time.Millisecond)
				return nil
			},
		})
	}
	results, err := plan{rounds: 3, slice: time.Millisecond}.race(lanes)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "c", "b", "c", "a", "c", "a", "b"}, order)
	for _, r := range results {
		require.Len(t, r.samples, 3)
	}
}

func TestALaneThatFailsEndsTheRace(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	_, err := plan{rounds: 1, slice: time.Millisecond}.race([]lane{{
		prepare: func(int) error { return nil },
		run:     func(int) error { return broken },
	}})
	require.ErrorIs(t, err, broken)
}

func TestALaneFailsWhereItsDeliveriesAreRefused(t *testing.T) {
	t.Parallel()
	d := deliver(byHand, newBody(400, sonzaiLayout))
	d.signer = otherSecret
	require.ErrorContains(t, d.prepare(1), "by hand answered 401")

	d = deliver(byHand, newBody(400, sonzaiLayout))
	d.refused = true
	require.ErrorContains(t, d.prepare(1), "by hand answered 200")
}

func TestAllocationsAreCountedPerRun(t *testing.T) {
	var kept [][]byte
	s, err := measure(lane{
		prepare: func(n int) error { kept = make([][]byte, 0, n); return nil },
		run: func(n int) error {
			for range n {
				kept = append(kept, make([]byte, 1<<10))
			}
			return nil
		},
	}, 1000)
	require.NoError(t, err)
	require.InDelta(t, 1, s.allocs, 0.1)
	require.InDelta(t, 1<<10, s.bytes, 100)
	require.Len(t, kept, 1000)
}

func TestAStaleDeliveryIsRefusedWithoutItsBody(t *testing.T) {
	t.Parallel()
	l := refusal(ours, sizes[3], staleAge, ours.name)
	require.NoError(t, l.prepare(1))
	require.NoError(t, l.run(1))
	require.Zero(t, l.peek())

	l = refusal(byHand, sizes[3], staleAge, byHand.name)
	require.NoError(t, l.prepare(1))
	require.NoError(t, l.run(1))
	require.InDelta(t, sizes[3].bytes, l.peek(), 0)
}
