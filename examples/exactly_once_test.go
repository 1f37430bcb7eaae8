package examples_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/postgresserver"
)

// An event that was answered is one row after the program was killed and the
// platform sent it again.
func TestAnEventLeavesOneRowOverAKill(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(*testing.T) (env, driver, dsn string){
		"exactly-once-sqlite": func(t *testing.T) (string, string, string) {
			path := filepath.Join(t.TempDir(), "moods.db")
			return "DATABASE=" + path, "sqlite", "file:" + path
		},
		"exactly-once-postgres": func(t *testing.T) (string, string, string) {
			server, err := postgresserver.Start(t.Context())
			if errors.Is(err, postgresserver.ErrNotInstalled) {
				t.Skip(err)
			}
			require.NoError(t, err)
			t.Cleanup(server.Stop)
			return "DATABASE_URL=" + server.DSN("postgres"), "pgx", server.DSN("postgres")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, driver, dsn := database(t)
			path := filepath.Join(t.TempDir(), name)
			out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./"+name).CombinedOutput()
			require.NoError(t, err, string(out))
			mood := hooktest.Fixture(t, sonzaihook.EventMoodChange)

			p := start(t, path, env)
			require.Equal(t, outcome(http.StatusOK, sonzaihook.CodeProcessed), p.deliver(t, mood))
			require.NoError(t, p.cmd.Process.Kill())
			for range p.lines {
				continue
			}
			require.Error(t, p.cmd.Wait())

			p = start(t, path, env)
			require.Equal(t, outcome(http.StatusOK, sonzaihook.CodeDuplicate), p.deliver(t, mood))
			require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
			for range p.lines {
				continue
			}
			require.NoError(t, p.cmd.Wait())

			db, err := sql.Open(driver, dsn)
			require.NoError(t, err)
			defer db.Close()
			var rows int
			require.NoError(t, db.QueryRowContext(context.WithoutCancel(t.Context()), "SELECT count(*) FROM moods").Scan(&rows))
			require.Equal(t, 1, rows)
		})
	}
}
