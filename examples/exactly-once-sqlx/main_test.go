package main

import (
	"path/filepath"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

func TestEachBreakthroughIsCountedOnce(t *testing.T) {
	t.Setenv("SONZAI_WEBHOOK_SECRET", hooktest.Secret)
	db, err := sqlx.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "test.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(500)&_txlock=immediate")
	require.NoError(t, err)
	defer db.Close()
	hooks, err := newHooks(t.Context(), db)
	require.NoError(t, err)
	body := hooktest.Fixture(t, sonzaihook.EventBreakthrough)
	for range 3 { // copies
		require.Equal(t, 200, hooktest.Deliver(t, hooks, body).Code)
	}
	require.Equal(t, 200, hooktest.Deliver(t, hooks, hooktest.Fixture(t, sonzaihook.EventBreakthrough)).Code)

	var number int
	require.NoError(t, db.Get(&number, "SELECT number FROM breakthroughs WHERE agent = 'agent_luna'"))
	require.Equal(t, 2, number)

	// What the store refuses rolls back with the rest.
	_, err = db.Exec("DROP TABLE breakthroughs")
	require.NoError(t, err)
	require.Equal(t, 500, hooktest.Deliver(t, hooks, hooktest.Fixture(t, sonzaihook.EventBreakthrough)).Code)
	require.NoError(t, hooks.Shutdown(t.Context()))
}
