package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
	"github.com/sonzaihook/sonzaihook/internal/mariadbserver"
	"github.com/sonzaihook/sonzaihook/internal/postgresserver"
)

// The servers that the sections use, on loopback and with the settings that they come
// with. Each is started when it is first asked for, and all are gone with the run.

// servers are used by one goroutine.
type servers struct {
	dir      string // of everything that has no server
	started  map[string]string
	missing  map[string]error
	cleanups []func()
	made     int // databases
}

func newServers() (*servers, error) {
	dir, err := os.MkdirTemp("", "sonzaihook-bench-")
	if err != nil {
		return nil, err
	}
	s := &servers{dir: dir, started: map[string]string{}, missing: map[string]error{}}
	s.atEnd(func() { _ = os.RemoveAll(dir) })
	return s, nil
}

// atEnd calls f when the run ends, what was added last first.
func (s *servers) atEnd(f func()) { s.cleanups = append(s.cleanups, f) }

func (s *servers) stop() {
	for i := len(s.cleanups) - 1; i >= 0; i-- {
		s.cleanups[i]()
	}
	s.cleanups = nil
}

// once starts a server, or returns what starting it returned before.
func (s *servers) once(name string, start func() (string, error)) (string, error) {
	if err := s.missing[name]; err != nil {
		return "", err
	}
	if addr, ok := s.started[name]; ok {
		return addr, nil
	}
	addr, err := start()
	if err != nil {
		s.missing[name] = err
		return "", err
	}
	s.started[name] = addr
	return addr, nil
}

// poolSize is how many connections a pool of a database has: more than callers.
const poolSize = 20

// atATime is how many callers there are where a database decides.
const atATime = 16

// postgres returns the URL of an empty schema.
func (s *servers) postgres(ctx context.Context) (string, error) {
	base, err := s.once("postgres", func() (string, error) {
		server, err := postgresserver.Start(ctx, "max_connections=400")
		if err != nil {
			return "", err
		}
		s.atEnd(server.Stop)
		return server.DSN("postgres"), nil
	})
	if err != nil {
		return "", err
	}
	name := s.name()
	return base + "&search_path=" + name, s.create("pgx", base, "CREATE SCHEMA "+name)
}

// mariadb returns the data source name of an empty database.
func (s *servers) mariadb(ctx context.Context) (string, error) {
	base, err := s.once("mariadb", func() (string, error) {
		_ = mysql.SetLogger(&mysql.NopLogger{}) // it logs that the server is not up yet
		server, err := mariadbserver.Start(ctx, "--max-connections=400")
		if err != nil {
			return "", err
		}
		s.atEnd(server.Stop)
		return server.DSN(""), nil
	})
	if err != nil {
		return "", err
	}
	name := s.name()
	return base + name, s.create("mysql", base, "CREATE DATABASE "+name)
}

func (s *servers) name() string {
	s.made++
	return fmt.Sprintf("bench_%d", s.made)
}

func (s *servers) create(driver, dsn, query string) error {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	_, err = db.Exec(query)
	return errors.Join(err, db.Close())
}

// sqliteSettings make an SQLite file as durable as the servers are.
const sqliteSettings = "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)"

func (s *servers) sqlite() string {
	return "file:" + filepath.Join(s.dir, s.name()+".db") + sqliteSettings
}

// open returns a pool on an empty database of a dialect.
func (s *servers) open(ctx context.Context, d sqlhook.Dialect) (*sql.DB, error) {
	driver, dsn := "sqlite", s.sqlite()
	var err error
	switch d {
	case sqlhook.Postgres:
		driver = "pgx"
		dsn, err = s.postgres(ctx)
	case sqlhook.MySQL:
		driver = "mysql"
		dsn, err = s.mariadb(ctx)
	}
	if err != nil {
		return nil, err
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(poolSize)
	db.SetMaxIdleConns(poolSize)
	s.atEnd(func() { _ = db.Close() })
	return db, nil
}

// pool returns a pool of pgx on an empty schema.
func (s *servers) pool(ctx context.Context) (*pgxpool.Pool, error) {
	dsn, err := s.postgres(ctx)
	if err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.MaxConns = poolSize
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	s.atEnd(pool.Close)
	return pool, nil
}

// store returns a store of sqlhook in a database, with its tables.
func (s *servers) store(ctx context.Context, d sqlhook.Dialect) (*sqlhook.Store, *sql.DB, error) {
	db, err := s.open(ctx, d)
	if err != nil {
		return nil, nil, err
	}
	store, err := sqlhook.New(db, d)
	if err != nil {
		return nil, nil, err
	}
	return store, db, store.Migrate(ctx)
}

// notInstalled reports whether a server is missing, which is no failure of a run.
func notInstalled(err error) bool {
	return errors.Is(err, postgresserver.ErrNotInstalled) || errors.Is(err, mariadbserver.ErrNotInstalled) || redisMissing(err)
}
