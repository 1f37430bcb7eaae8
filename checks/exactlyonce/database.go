//go:build unix

package main

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
	"github.com/sonzaihook/sonzaihook/internal/mariadbserver"
	"github.com/sonzaihook/sonzaihook/internal/postgresserver"
)

// Databases are the names of what the check runs on.
var Databases = []string{"postgres", "pgx", "mariadb", "sqlite"}

// queued are those that the queue of sqlhook runs on.
var queued = []string{"postgres", "mariadb", "sqlite"}

// server is a database server that can be killed. SQLite has none.
type server interface {
	Kill()
	Restart(ctx context.Context) error
	Stop()
}

// start starts the server of a database, and returns where it is.
func start(ctx context.Context, name, dir string) (s server, dsn string, err error) {
	switch name {
	case "postgres", "pgx":
		p, err := postgresserver.Start(ctx, "max_connections=200")
		if err != nil {
			return nil, "", err
		}
		return p, p.DSN("postgres"), nil
	case "mariadb":
		m, err := mariadbserver.Start(ctx, "--max-connections=200")
		if err != nil {
			return nil, "", err
		}
		return m, m.DSN("mysql"), nil
	}
	return nil, "file:" + filepath.Join(dir, "effects.db") +
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)", nil
}

// open returns a pool on a database and its store.
func open(name, dsn string) (*sql.DB, *sqlhook.Store, error) {
	driver, dialect := "pgx", sqlhook.Postgres
	switch name {
	case "mariadb":
		_ = mysql.SetLogger(&mysql.NopLogger{}) // it logs each connection that is broken on purpose
		driver, dialect = "mysql", sqlhook.MySQL
	case "sqlite":
		driver, dialect = "sqlite", sqlhook.SQLite
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(24)
	store, err := sqlhook.New(db, dialect, sqlhook.WithLogger(quiet))
	return db, store, err
}

const createEffects = "CREATE TABLE effects (event VARCHAR(100) NOT NULL, instance INTEGER NOT NULL)"

// insertEffect writes what the callback is for. Nothing but the transaction keeps it
// from being written twice.
func insertEffect(name string) string {
	if name == "mariadb" || name == "sqlite" {
		return "INSERT INTO effects (event, instance) VALUES (?, ?)"
	}
	return "INSERT INTO effects (event, instance) VALUES ($1, $2)"
}

// countEffects returns how many rows each event has, once the database answers.
func countEffects(ctx context.Context, db *sql.DB) (map[string]int, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	rows, err := db.QueryContext(ctx, "SELECT event, COUNT(*) FROM effects GROUP BY event")
	if err != nil {
		return nil, fmt.Errorf("exactlyonce: %w", err)
	}
	defer rows.Close()
	all := map[string]int{}
	for rows.Next() {
		var event string
		var n int
		if err := rows.Scan(&event, &n); err != nil {
			return nil, err
		}
		all[event] = n
	}
	return all, rows.Err()
}
