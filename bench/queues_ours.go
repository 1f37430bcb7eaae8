package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
)

// ourQueue is the queue of sqlhook. Its workers run whole deliveries, with the store
// in the same database or in the memory of this process.
func (b *bench) ourQueue(name string, d sqlhook.Dialect, memory bool) (*queue, error) {
	store, _, err := b.servers.store(b.ctx, d)
	if err != nil {
		return absent(name, err)
	}
	q := store.Queue("bench", sqlhook.WithWorkers(atATime))
	var claims sonzaihook.Store = store
	if memory {
		claims = sonzaihook.NewMemoryStore(sonzaihook.DefaultStoreCapacity)
	}
	return &queue{
		name: name,
		enqueue: func(ctx context.Context, n int64) error {
			return q.Enqueue(ctx, &sonzaihook.Delivery{
				ID: "evt_" + strconv.FormatInt(n, 10), Type: sonzaihook.EventMoodChange,
				Source: sonzaihook.SourceWebhook, Body: queueBody(n),
			})
		},
		drain: func(ctx context.Context, ran func()) error {
			hooks, err := sonzaihook.New(sonzaihook.Secret(secret), sonzaihook.WithStore(claims))
			if err != nil {
				return err
			}
			hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
				ran()
				return nil
			})
			return q.Run(ctx, hooks)
		},
	}, nil
}

// absent is a queue whose database is not installed.
func absent(name string, err error) (*queue, error) {
	if notInstalled(err) {
		return &queue{name: name, missing: err}, nil
	}
	return nil, fmt.Errorf("%s: %w", name, err)
}

// insertQueue is what one writes without a library: a row for each.
func (b *bench) insertQueue(name string, d sqlhook.Dialect) (*queue, error) {
	db, err := b.servers.open(b.ctx, d)
	if err != nil {
		return absent(name, err)
	}
	text := map[sqlhook.Dialect][2]string{
		sqlhook.Postgres: {"CREATE TABLE waiting (id TEXT PRIMARY KEY, body BYTEA NOT NULL)", "INSERT INTO waiting (id, body) VALUES ($1, $2)"},
		sqlhook.SQLite:   {"CREATE TABLE waiting (id TEXT PRIMARY KEY, body BLOB NOT NULL)", "INSERT INTO waiting (id, body) VALUES (?, ?)"},
		sqlhook.MySQL:    {"CREATE TABLE waiting (id VARCHAR(200) PRIMARY KEY, body MEDIUMBLOB NOT NULL)", "INSERT INTO waiting (id, body) VALUES (?, ?)"},
	}[d]
	if d == sqlhook.SQLite {
		db.SetMaxOpenConns(1) // callers that find the file busy would wait longer
	}
	if _, err := db.ExecContext(b.ctx, text[0]); err != nil {
		return nil, err
	}
	return &queue{name: name, enqueue: func(ctx context.Context, n int64) error {
		_, err := db.ExecContext(ctx, text[1], "evt_"+strconv.FormatInt(n, 10), queueBody(n))
		return err
	}}, nil
}

func (b *bench) allQueues() ([]*queue, error) {
	ours := func(d sqlhook.Dialect, memory bool) func(string) (*queue, error) {
		return func(name string) (*queue, error) { return b.ourQueue(name, d, memory) }
	}
	insert := func(d sqlhook.Dialect) func(string) (*queue, error) {
		return func(name string) (*queue, error) { return b.insertQueue(name, d) }
	}
	rows := []struct {
		name string
		make func(name string) (*queue, error)
	}{
		oursPostgres:       {"PostgreSQL, sqlhook", ours(sqlhook.Postgres, false)},
		oursPostgresMemory: {"PostgreSQL, sqlhook, memory", ours(sqlhook.Postgres, true)},
		riverPostgres:      {"PostgreSQL, River", b.riverQueue},
		watermillPostgres:  {"PostgreSQL, watermill-sql", b.watermillQueue},
		insertPostgres:     {"PostgreSQL, an INSERT", insert(sqlhook.Postgres)},
		oursSQLite:         {"SQLite, sqlhook", ours(sqlhook.SQLite, false)},
		oursSQLiteMemory:   {"SQLite, sqlhook, memory", ours(sqlhook.SQLite, true)},
		goqiteSQLite:       {"SQLite, goqite", b.goqiteQueue},
		insertSQLite:       {"SQLite, an INSERT", insert(sqlhook.SQLite)},
		oursMariaDB:        {"MariaDB, sqlhook", ours(sqlhook.MySQL, false)},
		oursMariaDBMemory:  {"MariaDB, sqlhook, memory", ours(sqlhook.MySQL, true)},
		insertMariaDB:      {"MariaDB, an INSERT", insert(sqlhook.MySQL)},
	}
	var queues []*queue
	for _, row := range rows {
		q, err := row.make(row.name)
		if err != nil {
			return nil, err
		}
		queues = append(queues, q)
	}
	return queues, nil
}
