package main

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCallersOfATaskRunTogetherAndNeverWithTheSameNumber(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen, running, most := map[int64]bool{}, 0, 0
	sleep := task{name: "sleep", do: func(_ context.Context, n int64) error {
		mu.Lock()
		require.False(t, seen[n])
		seen[n] = true
		running++
		most = max(most, running)
		mu.Unlock()
		time.Sleep(time.Millisecond)
		mu.Lock()
		running--
		mu.Unlock()
		return nil
	}}
	results, err := contest{callers: 4, rounds: 2, length: 20 * time.Millisecond, step: func(int, int) {}}.run(t.Context(), []task{sleep, sleep})
	require.NoError(t, err)
	require.Len(t, results, 2)
	require.Equal(t, 4, most)
	for _, r := range results {
		require.Len(t, r.rates, 2)
		require.Positive(t, r.rate())
		require.GreaterOrEqual(t, r.percentile(99), r.percentile(50))
		require.GreaterOrEqual(t, r.percentile(50), time.Millisecond)
	}
}

func TestATaskThatFailsEndsTheContest(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	_, err := contest{callers: 3, rounds: 1, length: time.Minute}.run(t.Context(), []task{{
		name: "first", do: func(context.Context, int64) error { return broken },
	}})
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "first")
}

func TestATaskThatCannotBeDoneHereStaysInTheTable(t *testing.T) {
	t.Parallel()
	absent := errors.New("no such program")
	results, err := contest{callers: 1, rounds: 1, length: time.Millisecond, step: func(int, int) {}}.run(t.Context(), []task{
		{name: "there", do: func(context.Context, int64) error { return nil }},
		{name: "gone", missing: absent},
	})
	require.NoError(t, err)
	require.ErrorIs(t, results[1].missing, absent)
	require.False(t, both(&results[0], &results[1]))
	require.Positive(t, results[0].rate())
}

func TestTasksAreComparedWithinARound(t *testing.T) {
	t.Parallel()
	fast := turns{rates: []float64{20, 200, 2}}
	slow := turns{rates: []float64{10, 100, 1}}
	require.InDelta(t, 2, fast.faster(&slow), 0)
}
