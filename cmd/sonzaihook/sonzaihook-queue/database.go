package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"

	_ "github.com/go-sql-driver/mysql" // registers itself
	_ "github.com/jackc/pgx/v5/stdlib" // registers itself
	_ "modernc.org/sqlite"             // registers itself

	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
)

// queueOptions are the flags that all commands have.
type queueOptions struct {
	console   *console.Console
	database  string
	queue     string
	namespace string
	json      bool
}

// with opens the store for the time of a call.
func (q *queueOptions) with(ctx context.Context, use func(*sqlhook.Store) error) error {
	address := cmp.Or(q.database, q.console.Getenv("SONZAI_QUEUE_DATABASE"))
	db, dialect, err := open(address)
	if err != nil {
		return err
	}
	defer db.Close()
	var options []sqlhook.Option
	if q.namespace != "" {
		options = append(options, sqlhook.WithNamespace(q.namespace))
	}
	store, err := sqlhook.New(db, dialect, options...)
	if err != nil {
		return err
	}
	if err := store.Check(ctx); err != nil && !errors.Is(err, sqlhook.ErrUnsafeServer) {
		return err
	}
	return use(store)
}

// withQueue opens the queue that is named, or the only one.
func (q *queueOptions) withQueue(ctx context.Context, use func(*sqlhook.Queue) error) error {
	return q.with(ctx, func(store *sqlhook.Store) error {
		name := q.queue
		if name == "" {
			names, err := store.Queues(ctx)
			if err != nil {
				return err
			}
			switch len(names) {
			case 0:
				return console.No("no queue holds anything")
			case 1:
				name = names[0]
			default:
				return fmt.Errorf("--queue: there are several: %s", strings.Join(names, ", "))
			}
		}
		return use(store.Queue(name))
	})
}

// open opens a database. Its address may hold a password, so no error has it.
func open(address string) (*sql.DB, sqlhook.Dialect, error) {
	scheme, rest, _ := strings.Cut(address, ":")
	switch scheme {
	case "":
		return nil, 0, errors.New("--database is needed: sqlite:PATH, postgres://… or mysql:…")
	case "sqlite":
		path := strings.TrimPrefix(rest, "//")
		if _, err := os.Stat(path); err != nil {
			return nil, 0, fmt.Errorf("--database: %w", err)
		}
		db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(2000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
		return db, sqlhook.SQLite, err
	case "postgres", "postgresql":
		db, err := sql.Open("pgx", address)
		if err != nil {
			err = errors.New("--database: it is no address of a PostgreSQL database")
		}
		return db, sqlhook.Postgres, err
	case "mysql":
		db, err := sql.Open("mysql", rest)
		if err != nil {
			err = errors.New("--database: it is no address of a MySQL database, as in mysql:user@tcp(host:3306)/name")
		}
		return db, sqlhook.MySQL, err
	}
	return nil, 0, errors.New("--database: want sqlite:PATH, postgres://… or mysql:…")
}
