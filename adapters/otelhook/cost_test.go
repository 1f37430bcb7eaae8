package otelhook_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
)

// mallocs returns how many objects the process has allocated.
func mallocs() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.Mallocs
}

// Not parallel: it counts the allocations of the whole process.
func TestAnUnsampledDeliveryCostsFewAllocations(t *testing.T) {
	// Callbacks that call anything look at their context, which a receiver makes when
	// it is first looked at.
	look := func(ctx context.Context, _ *sonzaihook.MoodChangeEvent) error { return ctx.Err() }
	plain, seen := benchmarked(t, nil, false, look), benchmarked(t, unsampled(t), false, look)
	least := func(deliver func() int) float64 {
		deliver() // what is made once
		fewest := 1e9
		for range 5 {
			before := mallocs()
			n := deliver()
			fewest = min(fewest, float64(mallocs()-before)/float64(n))
		}
		return fewest
	}
	extra := least(seen) - least(plain)
	require.LessOrEqual(t, extra, 6.5, "at most 6, and what the runtime allocates beside")
}
