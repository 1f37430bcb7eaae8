package snapshot_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/internal/snapshot"
)

func TestTheZeroSnapshotHoldsNil(t *testing.T) {
	t.Parallel()
	var s snapshot.Of[int]
	require.Nil(t, s.Load())
}

func TestAReaderKeepsTheValueThatItLoaded(t *testing.T) {
	t.Parallel()
	var s snapshot.Of[[]string]
	s.Set(&[]string{"a"})
	before := s.Load()
	s.Change(func(now *[]string) *[]string {
		next := append(slices.Clone(*now), "b")
		return &next
	})
	require.Equal(t, []string{"a"}, *before)
	require.Equal(t, []string{"a", "b"}, *s.Load())
}

func TestChangesAtTheSameTimeAreAllMade(t *testing.T) {
	t.Parallel()
	var s snapshot.Of[int]
	s.Set(new(int))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				s.Change(func(now *int) *int {
					next := *now + 1
					return &next
				})
			}
		})
	}
	all.Wait()
	require.Equal(t, 8000, *s.Load())
}
