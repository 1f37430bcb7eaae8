package pgxhook_test

import (
	"net/http"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/pgxhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// The examples print nothing, because there may be no PostgreSQL.
func TestTheExamplesWriteEachEventOnce(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(t.Context(), create(t))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	_, err = pool.Exec(t.Context(), "CREATE TABLE moods (agent TEXT, label TEXT)")
	require.NoError(t, err)
	inTx, err := newMoodHooks(t.Context(), pool)
	require.NoError(t, err)
	store, err := pgxhook.New(pool)
	require.NoError(t, err)
	own, err := sonzaihook.New(sonzaihook.Secret("whsec_example"), sonzaihook.WithStore(store))
	require.NoError(t, err)
	own.OnMoodChange(keepMood(pool, store))
	for _, hooks := range []*sonzaihook.Receiver{inTx, own} {
		body := hooktest.Fixture(t, sonzaihook.EventMoodChange)
		for _, code := range []string{sonzaihook.CodeProcessed, sonzaihook.CodeDuplicate} {
			answer := hooktest.Deliver(t, hooks, body, hooktest.SignedWith("whsec_example"))
			require.Equal(t, http.StatusOK, answer.Code)
			require.Contains(t, answer.Body.String(), code)
		}
	}
	var rows int
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM moods").Scan(&rows))
	require.Equal(t, 2, rows)
}
