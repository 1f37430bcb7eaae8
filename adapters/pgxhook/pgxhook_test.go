package pgxhook_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/pgxhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/postgresserver"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
)

var (
	server *postgresserver.Server
	opened atomic.Int64
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "3"); err != nil { // most tests wait for a lease to end
		panic(err)
	}
	os.Exit(withServer(m))
}

func withServer(m *testing.M) int {
	var err error
	if server, err = postgresserver.Start(context.Background(), "max_connections=500"); err == nil {
		defer func() { server.Stop() }()
	} else if !errors.Is(err, postgresserver.ErrNotInstalled) {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// create makes an empty schema.
func create(t testing.TB) (dsn string) {
	t.Helper()
	if server == nil {
		t.Skip(postgresserver.ErrNotInstalled)
	}
	conn, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	require.NoError(t, err)
	defer conn.Close(t.Context())
	name := fmt.Sprintf("test_%d", opened.Add(1))
	_, err = conn.Exec(t.Context(), "CREATE SCHEMA "+name) // a database would cost a second
	require.NoError(t, err)
	return server.DSN("postgres") + "&search_path=" + name
}

func connect(t testing.TB, dsn string, change ...func(*pgxpool.Config)) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(dsn)
	require.NoError(t, err)
	config.MaxConns = 20
	for _, c := range change {
		c(config)
	}
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(t.Context()), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func newStore(t testing.TB, pool *pgxpool.Pool, options ...pgxhook.Option) *pgxhook.Store {
	t.Helper()
	store, err := pgxhook.New(pool, append([]pgxhook.Option{pgxhook.WithLogger(slog.New(slog.DiscardHandler))}, options...)...)
	require.NoError(t, err)
	require.NoError(t, store.Migrate(t.Context()))
	return store
}

func TestStorePassesTheSuite(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]pgxhook.Option{"": nil, "with unsynced claims": {pgxhook.WithUnsyncedClaims()}} {
		t.Run("suite "+name, func(t *testing.T) {
			t.Parallel()
			pool := connect(t, create(t))
			var stores atomic.Int64
			hooktest.RunStore(t, func(t testing.TB) sonzaihook.Store {
				namespace := pgxhook.WithNamespace(fmt.Sprint("suite-", stores.Add(1)))
				return newStore(t, pool, append(options, namespace)...)
			})
		})
	}
}

func TestInTxPassesTheSuite(t *testing.T) {
	t.Parallel()
	hooktest.RunInTx(t, func(t testing.TB) hooktest.TxDatabase {
		dsn := create(t)
		pool := connect(t, dsn)
		newStore(t, pool)
		_, err := pool.Exec(t.Context(), "CREATE TABLE effects (delivery TEXT NOT NULL)")
		require.NoError(t, err)
		return hooktest.TxDatabase{
			Start: func(t testing.TB) hooktest.TxInstance { return startInstance(t, dsn) },
			Count: func(t testing.TB, name string) int { return count(t, pool, name) },
		}
	})
}

func count(t testing.TB, pool *pgxpool.Pool, name string) int {
	t.Helper()
	var n int
	require.NoError(t, pool.QueryRow(context.WithoutCancel(t.Context()), "SELECT count(*) FROM effects WHERE delivery = $1", name).Scan(&n))
	return n
}

const insert = "INSERT INTO effects (delivery) VALUES ($1)"

func startInstance(t testing.TB, dsn string) hooktest.TxInstance {
	fault := &commitFault{}
	pool := connect(t, dsn, func(c *pgxpool.Config) { c.ConnConfig.DialFunc = fault.dial })
	store := newStore(t, pool)
	levels := map[string]func(sonzaihook.Handler) sonzaihook.Handler{}
	for _, level := range []pgx.TxIsoLevel{pgx.ReadUncommitted, pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable} {
		levels[string(level)] = store.InTx(pgx.TxOptions{IsoLevel: level})
	}
	return hooktest.TxInstance{
		Store: store, InTx: store.InTx(pgx.TxOptions{}), Levels: levels,
		Insert: func(ctx context.Context, name string) error {
			tx, err := pgxhook.Tx(ctx)
			if err != nil {
				return err
			}
			_, err = tx.Exec(ctx, insert, name)
			return err
		},
		CommitTx: func(ctx context.Context, name string) error {
			return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, insert, name)
				return errors.Join(err, store.CommitTx(ctx, tx))
			})
		},
		OnCommit: func(fn func(commit func() error) error) { fault.fn.Store(&fn) },
	}
}

// commitFault replaces what happens to the next COMMIT on the wire.
type commitFault struct {
	fn atomic.Pointer[func(commit func() error) error]
}

func (f *commitFault) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	return &faultyConn{Conn: conn, f: f}, err
}

// faultyConn is a connection that may break at COMMIT: before it is sent, or after
// its answer has come.
type faultyConn struct {
	net.Conn
	f      *commitFault
	answer bytes.Buffer
}

func (c *faultyConn) Write(b []byte) (int, error) {
	if !bytes.Contains(b, []byte("commit\x00")) {
		return c.Conn.Write(b)
	}
	fn := c.f.fn.Swap(nil)
	if fn == nil {
		return c.Conn.Write(b)
	}
	err := (*fn)(func() error {
		if _, err := c.Conn.Write(b); err != nil {
			return err
		}
		buffer := make([]byte, 1024)
		n, err := c.Conn.Read(buffer)
		c.answer.Write(buffer[:n])
		return err
	})
	if err != nil {
		return 0, errors.Join(err, c.Close())
	}
	return len(b), nil
}

func (c *faultyConn) Read(b []byte) (int, error) {
	if c.answer.Len() > 0 {
		return c.answer.Read(b)
	}
	return c.Conn.Read(b)
}

func deliver(t testing.TB, hooks http.Handler) int {
	t.Helper()
	return hooktest.Deliver(t, hooks, []byte(`{"event_type":"agent.mood_change","event_id":"evt_1","agent_id":"a","data":{"label":"calm"}}`)).Code
}

func TestTxOutsideOfInTxIsAnError(t *testing.T) {
	t.Parallel()
	_, err := pgxhook.Tx(t.Context())
	require.ErrorIs(t, err, pgxhook.ErrNoTransaction)
}

// Each use of the transaction is under way, or half read, when the callback's time
// is over; none may keep the rollback waiting, or share its connection with it.
func TestARollbackDoesNotRaceWithWhatTheCallbackDoes(t *testing.T) {
	t.Parallel()
	const long, many = "SELECT pg_sleep(60)", "SELECT generate_series(1, 100000000)"
	uses := map[string]func(tx pgx.Tx) error{
		"exec": func(tx pgx.Tx) error { _, err := tx.Exec(context.Background(), long); return err },
		"row":  func(tx pgx.Tx) error { return tx.QueryRow(context.Background(), long).Scan(nil) },
		"rows": func(tx pgx.Tx) error {
			rows, err := tx.Query(context.Background(), many)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				time.Sleep(time.Millisecond)
			}
			return rows.Err()
		},
		"batch": func(tx pgx.Tx) error {
			var b pgx.Batch
			b.Queue(long)
			return tx.SendBatch(context.Background(), &b).Close()
		},
		"many": func(tx pgx.Tx) error {
			for {
				if _, err := tx.Exec(context.Background(), insert, "evt_1"); err != nil {
					return err
				}
			}
		},
	}
	pool := connect(t, create(t))
	_, err := pool.Exec(t.Context(), "CREATE TABLE effects (delivery TEXT NOT NULL)")
	require.NoError(t, err)
	for name, use := range uses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newStore(t, pool, pgxhook.WithNamespace(name))
			returned := make(chan error, 1)
			hooks := recorder.New(t, nil, sonzaihook.WithStore(store), sonzaihook.WithHandlerTimeout(300*time.Millisecond))
			hooks.Use(store.InTx(pgx.TxOptions{}))
			hooks.OnMoodChange(func(ctx context.Context, _ *sonzaihook.MoodChangeEvent) error {
				tx, err := pgxhook.Tx(ctx)
				if err == nil {
					err = use(tx)
				}
				returned <- err
				return err
			})
			require.Equal(t, http.StatusInternalServerError, deliver(t, hooks))
			select {
			case err := <-returned:
				require.Error(t, err)
			case <-time.After(10 * time.Second):
				t.Fatal("the callback is still waiting for the database")
			}
			require.NoError(t, hooks.Shutdown(t.Context()))
			require.Zero(t, count(t, pool, "evt_1"))
			require.NoError(t, pool.Ping(t.Context()))
		})
	}
}

func TestTheTransactionIsNotTheCallbacksToEnd(t *testing.T) {
	t.Parallel()
	pool := connect(t, create(t))
	store := newStore(t, pool)
	hooks := recorder.New(t, nil, sonzaihook.WithStore(store))
	end := atomic.Pointer[func(pgx.Tx) error]{}
	hooks.Use(store.InTx(pgx.TxOptions{}))
	hooks.OnMoodChange(func(ctx context.Context, _ *sonzaihook.MoodChangeEvent) error {
		tx, err := pgxhook.Tx(ctx)
		if err != nil {
			return err
		}
		return (*end.Load())(tx)
	})
	commit := func(tx pgx.Tx) error { return tx.Commit(context.Background()) }
	end.Store(&commit)
	require.Equal(t, http.StatusInternalServerError, deliver(t, hooks))
	require.ErrorIs(t, hooks.Outcomes.Last(t).Err, pgxhook.ErrNotYours)

	rollback := func(tx pgx.Tx) error { return tx.Rollback(context.Background()) }
	end.Store(&rollback)
	require.Equal(t, http.StatusInternalServerError, deliver(t, hooks))
	require.ErrorContains(t, hooks.Outcomes.Last(t).Err, "the callback ended the transaction")

	savepoint := func(tx pgx.Tx) error {
		return pgx.BeginFunc(context.Background(), tx, func(tx pgx.Tx) error {
			var n int
			return tx.QueryRow(context.Background(), "SELECT 1").Scan(&n)
		})
	}
	end.Store(&savepoint)
	require.Equal(t, http.StatusOK, deliver(t, hooks))
}

func TestTroubleWithTheDatabaseIsNamedWithItsRemedy(t *testing.T) {
	t.Parallel()
	dsn := create(t)
	bare, err := pgxhook.New(connect(t, dsn))
	require.NoError(t, err)
	_, err = bare.Claim(t.Context(), "k", "a", time.Minute)
	require.ErrorIs(t, err, pgxhook.ErrSchema)
	require.ErrorIs(t, bare.Check(t.Context()), pgxhook.ErrSchema)
	require.NoError(t, bare.Migrate(t.Context()))
	require.NoError(t, bare.Check(t.Context()))

	replica, err := pgxhook.New(connect(t, dsn+"&default_transaction_read_only=on"))
	require.NoError(t, err)
	_, err = replica.Claim(t.Context(), "k", "a", time.Minute)
	require.ErrorIs(t, err, pgxhook.ErrReadOnly)
	require.ErrorIs(t, replica.Check(t.Context()), pgxhook.ErrReadOnly)

	small := connect(t, dsn, func(c *pgxpool.Config) { c.MaxConns = 1 })
	store := newStore(t, small)
	conn, err := small.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = store.Claim(ctx, "k", "a", time.Minute)
	require.ErrorIs(t, err, pgxhook.ErrPoolExhausted)
}

func TestNewRefusesImpossibleOptions(t *testing.T) {
	t.Parallel()
	_, err := pgxhook.New(nil)
	require.ErrorIs(t, err, sonzaihook.ErrInvalidOption)
	pool, err := pgxpool.New(t.Context(), "postgres://localhost:1/none")
	require.NoError(t, err)
	defer pool.Close()
	for name, option := range map[string]pgxhook.Option{
		"nil": nil, "a negative keep": pgxhook.WithKeep(-1), "a nil logger": pgxhook.WithLogger(nil),
		"a long namespace": pgxhook.WithNamespace(string(make([]byte, 65))),
	} {
		_, err := pgxhook.New(pool, option)
		require.ErrorIs(t, err, sonzaihook.ErrInvalidOption, name)
	}
}

func TestSweepDeletesWhatHasExpired(t *testing.T) {
	t.Parallel()
	pool := connect(t, create(t))
	store := newStore(t, pool)
	for i := range 1500 {
		_, err := store.Claim(t.Context(), fmt.Sprint(i), "a", time.Hour)
		require.NoError(t, err)
	}
	_, err := pool.Exec(t.Context(), "UPDATE sonzaihook_leases SET expires = 0 WHERE id <> '\\x30'")
	require.NoError(t, err)
	n, err := store.Sweep(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1499, n)
	state, err := store.Claim(t.Context(), "0", "b", time.Hour)
	require.NoError(t, err)
	require.Equal(t, sonzaihook.InFlight, state)
}
