package sqlhook_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/mariadbserver"
	"github.com/sonzaihook/sonzaihook/internal/postgresserver"
)

// The environment of a process that is killed, which is this test's own program.
const (
	envDialect = "SQLHOOK_CRASH_DIALECT"
	envDSN     = "SQLHOOK_CRASH_DSN"
	envAddr    = "SQLHOOK_CRASH_ADDR"
	envQueue   = "SQLHOOK_CRASH_QUEUE"
)

// servesCrashTest runs this program as one of the processes that are killed. It
// returns false where it is to run tests.
func servesCrashTest() bool {
	dsn := os.Getenv(envDSN)
	if dsn == "" {
		return false
	}
	dialect, _ := strconv.Atoi(os.Getenv(envDialect))
	if err := serveUntilKilled(sqlhook.Dialect(dialect), dsn, os.Getenv(envAddr), os.Getenv(envQueue) != ""); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

func serveUntilKilled(d sqlhook.Dialect, dsn, addr string, queued bool) error {
	driver := map[sqlhook.Dialect]string{sqlhook.Postgres: "pgx", sqlhook.SQLite: "sqlite", sqlhook.MySQL: "mysql"}[d]
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(40)
	logger := slog.New(slog.DiscardHandler)
	store, err := sqlhook.New(db, d, sqlhook.WithLogger(logger))
	if err != nil {
		return err
	}
	queue := store.Queue("sonzai", sqlhook.WithQueueLease(time.Second), sqlhook.WithPoll(20*time.Millisecond),
		sqlhook.WithBackoff(10*time.Millisecond, 100*time.Millisecond), sqlhook.WithAttempts(1000))
	options := []sonzaihook.Option{sonzaihook.WithStore(store), sonzaihook.WithLease(time.Second), sonzaihook.WithLogger(logger)}
	if queued {
		options = append(options, sonzaihook.WithHandOff(queue.Enqueue))
	}
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret), options...)
	if err != nil {
		return err
	}
	hooks.Use(store.InTx(nil))
	hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
		tx, err := sqlhook.Tx(ctx)
		if err != nil {
			return err
		}
		return insertEffect(ctx, tx, d, e.ID)
	})
	if queued {
		go func() { _ = queue.Run(context.Background(), hooks) }()
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return http.Serve(l, hooks)
}

// victim is a process that is killed and started again.
type victim struct {
	mu   sync.Mutex
	cmd  *exec.Cmd
	addr string
	env  []string
}

func newVictim(t *testing.T, d database, dsn string, queued bool) *victim {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	v := &victim{addr: l.Addr().String()}
	require.NoError(t, l.Close())
	v.env = append(os.Environ(), envDialect+"="+strconv.Itoa(int(d.dialect)), envDSN+"="+dsn, envAddr+"="+v.addr)
	if queued {
		v.env = append(v.env, envQueue+"=1")
	}
	require.NoError(t, v.start())
	t.Cleanup(v.kill)
	return v
}

func (v *victim) start() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	v.cmd = exec.Command(self)
	v.cmd.Env, v.cmd.Stderr = v.env, os.Stderr
	return v.cmd.Start()
}

func (v *victim) kill() {
	v.mu.Lock()
	defer v.mu.Unlock()
	_ = v.cmd.Process.Signal(syscall.SIGKILL)
	_ = v.cmd.Wait()
}

// send delivers event n until it is answered as wanted, as the platform would
// without its limit of tries.
func send(ctx context.Context, t testing.TB, victims []*victim, n, want int) error {
	body := moodChange(n)
	for ctx.Err() == nil {
		v := victims[rand.N(len(victims))]
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+v.addr+"/", nil)
		if err != nil {
			return err
		}
		signed := hooktest.NewRequest(t, body)
		req.Header, req.Body, req.ContentLength = signed.Header, signed.Body, int64(len(body))
		attempt, cancel := context.WithTimeout(ctx, 10*time.Second)
		answer, err := http.DefaultClient.Do(req.WithContext(attempt))
		cancel()
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == want {
				return nil
			}
			if answer.StatusCode < 500 {
				return fmt.Errorf("event %d was answered %d", n, answer.StatusCode)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("event %d: %w", n, context.Cause(ctx))
}

// Three processes share a database and are killed at random moments while each
// event is delivered, in two copies, until it is answered. Each event leaves one
// row.
func TestKillsLeaveOneRowForEachEvent(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it kills processes for some seconds")
	}
	for _, c := range []struct {
		name   string
		queued bool
		want   int
	}{{"at once", false, http.StatusOK}, {"through a queue", true, http.StatusAccepted}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			onEach(t, func(t *testing.T, d database) {
				deliverThrough(t, d, c.queued, c.want, func(t *testing.T, victims []*victim) {
					for range 15 {
						time.Sleep(time.Duration(rand.N(200)) * time.Millisecond)
						v := victims[rand.N(len(victims))]
						v.kill()
						if err := v.start(); err != nil {
							t.Errorf("start: %v", err)
						}
					}
				})
			})
		})
	}
}

// crasher is a server of a database that can be killed and started again.
type crasher interface {
	Kill()
	Restart(context.Context) error
	Stop()
}

func TestACrashOfTheDatabaseLeavesOneRowForEachEvent(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it kills servers for some seconds")
	}
	for dialect, start := range map[sqlhook.Dialect]func(context.Context) (crasher, string, error){
		sqlhook.Postgres: func(ctx context.Context) (crasher, string, error) {
			s, err := postgresserver.Start(ctx)
			if err != nil {
				return nil, "", err
			}
			return s, s.DSN("postgres"), nil
		},
		sqlhook.MySQL: func(ctx context.Context) (crasher, string, error) {
			s, err := mariadbserver.Start(ctx)
			if err != nil {
				return nil, "", err
			}
			db, err := sql.Open("mysql", s.DSN("mysql"))
			if err != nil {
				return s, "", err
			}
			defer db.Close()
			_, err = db.ExecContext(ctx, "CREATE DATABASE hooks")
			return s, s.DSN("hooks"), err
		},
	} {
		for _, c := range []struct {
			name   string
			queued bool
			want   int
		}{{"at once", false, http.StatusOK}, {"through a queue", true, http.StatusAccepted}} {
			t.Run(dialect.String()+" "+c.name, func(t *testing.T) {
				t.Parallel()
				server, dsn, err := start(t.Context())
				if errors.Is(err, postgresserver.ErrNotInstalled) || errors.Is(err, mariadbserver.ErrNotInstalled) {
					t.Skip(err)
				}
				require.NoError(t, err)
				t.Cleanup(server.Stop)
				d := database{dialect, func(testing.TB) string { return dsn }}
				deliverThrough(t, d, c.queued, c.want, func(t *testing.T, _ []*victim) {
					for range 3 {
						time.Sleep(time.Duration(100+rand.N(300)) * time.Millisecond)
						server.Kill()
						if err := server.Restart(t.Context()); err != nil {
							t.Errorf("restart: %v", err)
						}
					}
				})
			})
		}
	}
}

// deliverThrough delivers events in copies to three processes while disturb does
// its worst, and checks that each left one row.
func deliverThrough(t *testing.T, d database, queued bool, want int, disturb func(*testing.T, []*victim)) {
	const events, copies = 150, 2
	dsn := d.create(t)
	db := d.connect(t, dsn)
	store := newStore(t, db, d.dialect)
	createEffects(t, db)
	var victims []*victim
	for range 3 {
		victims = append(victims, newVictim(t, d, dsn, queued))
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Minute, errors.New("the events take too long"))
	defer cancel()
	var killer sync.WaitGroup
	killer.Go(func() { disturb(t, victims) })
	var senders sync.WaitGroup
	slots := make(chan struct{}, 16)
	for n := range events * copies {
		slots <- struct{}{}
		senders.Go(func() {
			defer func() { <-slots }()
			if err := send(ctx, t, victims, n%events, want); err != nil {
				t.Error(err)
			}
		})
	}
	senders.Wait()
	killer.Wait()
	queue := store.Queue("sonzai")
	require.Eventually(t, func() bool {
		stats, err := queue.Stats(ctx)
		return err == nil && stats == sqlhook.Stats{}
	}, patience, 50*time.Millisecond, "the queue is not drained")
	require.Equal(t, events, countEffects(t, db), "rows of %d events", events)
	var different int
	require.NoError(t, db.QueryRowContext(ctx, "SELECT count(DISTINCT delivery) FROM effects").Scan(&different))
	require.Equal(t, events, different, "events that left a row")
}
