package once

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAnAnnouncementIsSeenForFiveMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := NewMemory(100)
		first := Announcements{Claims: &Claims{Store: store}, Settle: 2 * time.Second}
		second := Announcements{Claims: &Claims{Store: store}}
		seen := func(key string) bool {
			t.Helper()
			announced, err := second.Look(t.Context(), key)
			require.NoError(t, err)
			return announced
		}
		require.False(t, seen("k"))

		began := time.Now()
		require.NoError(t, first.Announce(t.Context(), "k"))
		require.Equal(t, 2*time.Second, time.Since(began), "the others had the time to look")
		require.True(t, seen("k"))
		require.False(t, seen("other"))

		time.Sleep(4 * time.Minute)
		first.Extend(t.Context(), "k")
		time.Sleep(4 * time.Minute)
		require.True(t, seen("k"), "it was extended")
		time.Sleep(time.Minute + time.Second)
		require.False(t, seen("k"))
	})
}

func TestALookThatNeverEndsDelaysAnAnnouncementByItsLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		claims := &Claims{Store: NewMemory(100)}
		_, err := claims.Mark(t.Context(), "k", tokenLooks, lookLease) // and then the process is killed
		require.NoError(t, err)
		began := time.Now()
		require.NoError(t, Announcements{Claims: claims}.Announce(t.Context(), "k"))
		require.LessOrEqual(t, time.Since(began), lookLease+announcePause)
	})
}

func TestAnAnnouncementThatCannotBeMadeIsAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		claims := &Claims{Store: NewMemory(100)}
		_, err := claims.Mark(t.Context(), "k", "something else", time.Hour)
		require.NoError(t, err)
		require.ErrorIs(t, Announcements{Claims: claims}.Announce(t.Context(), "k"), ErrStoreUnavailable)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, Announcements{Claims: claims}.Announce(ctx, "k"), context.DeadlineExceeded)
	})
}

func TestWithoutClaimsNothingIsAnnounced(t *testing.T) {
	t.Parallel()
	a := Announcements{Settle: time.Hour}
	require.NoError(t, a.Announce(t.Context(), "k"))
	a.Extend(t.Context(), "k")
}
