package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// filled returns the address of a database with a dead delivery and one that waits.
func filled(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "queue.db")
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	require.NoError(t, err)
	defer db.Close()
	store, err := sqlhook.New(db, sqlhook.SQLite)
	require.NoError(t, err)
	require.NoError(t, store.Migrate(t.Context()))
	queue := store.Queue("events", sqlhook.WithAttempts(1))
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret), sonzaihook.WithStore(store),
		sonzaihook.WithHandOff(queue.Enqueue), sonzaihook.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error {
		cancel()
		return sonzaihook.Permanent(errors.New("no \u202euser"))
	})
	require.Equal(t, 202, hooktest.Deliver(t, hooks, hooktest.Fixture(t, sonzaihook.EventMessage)).Code)
	_ = queue.Run(ctx, hooks)
	require.Equal(t, 202, hooktest.Deliver(t, hooks, hooktest.Fixture(t, sonzaihook.EventMessage)).Code)
	return "sqlite:" + path
}

func command(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	c := console.New()
	var stdout, stderr bytes.Buffer
	c.In, c.Out, c.ErrOut = io.NopCloser(strings.NewReader("")), &stdout, &stderr
	code = run(t.Context(), c, args)
	return code, stdout.String(), stderr.String()
}

func TestVersionNamesTheBuild(t *testing.T) {
	t.Parallel()
	for argument, line := range map[string]string{
		"version":   `^sonzaihook-queue \S+ \(.*go1\..*\)\n$`,
		"--version": `^sonzaihook-queue version \S+ \(.*go1\..*\)\n$`,
	} {
		code, out, errOut := command(t, argument)
		require.Equal(t, console.ExitYes, code, errOut)
		require.Regexp(t, line, out)
	}
}

func TestQueuesAreCountedListedRetriedAndDropped(t *testing.T) {
	t.Parallel()
	database := filled(t)
	code, out, errOut := command(t, "stats", "--database", database, "--json")
	require.Equal(t, console.ExitYes, code, errOut)
	var stats queueStats
	require.NoError(t, json.Unmarshal([]byte(out), &stats))
	require.Equal(t, []any{"events", 1, 1}, []any{stats.Queue, stats.Waiting, stats.Dead})

	code, out, _ = command(t, "list", "--dead", "--database", database)
	require.Equal(t, console.ExitYes, code)
	require.Contains(t, out, "dead")
	require.Contains(t, out, "agent.message")
	require.NotContains(t, out, "\u202e", "foreign text cannot drive the terminal")

	_, out, _ = command(t, "list", "--dead", "--database", database, "--json")
	var item queueItem
	require.NoError(t, json.Unmarshal([]byte(out), &item))
	require.Equal(t, "dead", item.State)
	require.Empty(t, item.Body, "a list shows no bodies")

	code, out, _ = command(t, "show", item.ID, "--database", database)
	require.Equal(t, console.ExitYes, code)
	require.Contains(t, out, "recital")

	code, _, errOut = command(t, "retry", item.ID, "--database", database)
	require.Equal(t, console.ExitYes, code, errOut)
	_, out, _ = command(t, "stats", "--database", database, "--json")
	require.Contains(t, out, `"waiting":2`)
	code, _, errOut = command(t, "drop", item.ID, "--database", database)
	require.Equal(t, console.ExitYes, code, errOut)
	code, _, _ = command(t, "drop", item.ID, "--database", database)
	require.Equal(t, console.ExitNo, code)
	code, _, errOut = command(t, "retry", "--all-dead", "--database", database)
	require.Equal(t, console.ExitYes, code)
	require.Contains(t, errOut, "0 alive again")
}

func TestWrongUsageSaysWhatIsNeededAndNoPassword(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"stats":                                         "--database is needed",
		"stats --database oracle:x":                     "want sqlite:PATH",
		"stats --database sqlite:/no/such/file":         "no such file",
		"retry --database sqlite:/no/such/file":         "needs the ID",
		"stats --database mysql:user:hunter2":           "no address of a MySQL database",
		"stats --database postgres://user:hunter2@[::1": "cannot parse",
	} {
		code, _, errOut := command(t, strings.Fields(args)...)
		require.Equal(t, console.ExitTrouble, code, args)
		require.Contains(t, errOut, want, args)
		require.NotContains(t, errOut, "hunter2", args)
	}
}
