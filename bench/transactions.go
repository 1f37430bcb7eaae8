package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/pgxhook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
)

// Whole deliveries: signature, claim, a callback that writes one row, and commit. The
// row is written in a separate transaction beside the store, or in that of InTx, in
// which "done" is written too.

// moodBody is the n-th event.
func moodBody(n int64) []byte {
	return fmt.Appendf(nil, `{"event_type":"agent.mood_change","event_id":"evt_%d","agent_id":"agent_luna","user_id":"user_1","data":{"label":"calm"}}`, n)
}

// deliveryTask delivers one event after the other to a receiver.
func deliveryTask(name string, store sonzaihook.Store, use func(sonzaihook.Handler) sonzaihook.Handler, write func(ctx context.Context, id string) error) (task, error) {
	hooks, err := sonzaihook.New(sonzaihook.Secret(secret), sonzaihook.WithStore(store))
	if err != nil {
		return task{}, err
	}
	if use != nil {
		hooks.Use(use)
	}
	hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error { return write(ctx, e.ID) })
	return task{name: name, do: func(ctx context.Context, n int64) error {
		body := moodBody(n)
		out := hooks.Receive(ctx, http.Header{
			"Content-Type":             {"application/json"},
			sonzaihook.SignatureHeader: {sonzaihook.Sign(body, secret, time.Now())},
		}, body)
		if out.Code != sonzaihook.CodeProcessed {
			return fmt.Errorf("delivery %d: %d %s: %w", n, out.Status, out.Code, out.Err)
		}
		return nil
	}}, nil
}

const createMoods = "CREATE TABLE moods (id VARCHAR(200) NOT NULL)"

func insertMood(d sqlhook.Dialect) string {
	if d == sqlhook.Postgres {
		return "INSERT INTO moods (id) VALUES ($1)"
	}
	return "INSERT INTO moods (id) VALUES (?)"
}

// beside writes in a transaction of the callback's.
func beside(db *sql.DB, d sqlhook.Dialect) func(context.Context, string) error {
	insert := insertMood(d)
	return func(ctx context.Context, id string) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // after Commit it does nothing
		if _, err := tx.ExecContext(ctx, insert, id); err != nil {
			return err
		}
		return tx.Commit()
	}
}

// within writes in the transaction of InTx.
func within(d sqlhook.Dialect) func(context.Context, string) error {
	insert := insertMood(d)
	return func(ctx context.Context, id string) error {
		tx, err := sqlhook.Tx(ctx)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, insert, id)
		return err
	}
}

// effects opens a database with the table of the callbacks.
func (b *bench) effects(d sqlhook.Dialect) (*sql.DB, error) {
	db, err := b.servers.open(b.ctx, d)
	if err == nil {
		_, err = db.ExecContext(b.ctx, createMoods)
	}
	return db, err
}

// sqlTask has a store of sqlhook, and the row beside it or within.
func (b *bench) sqlTask(name string, d sqlhook.Dialect, inTx bool) (task, error) {
	store, db, err := b.servers.store(b.ctx, d)
	if err != nil {
		return task{}, err
	}
	if _, err := db.ExecContext(b.ctx, createMoods); err != nil {
		return task{}, err
	}
	if inTx {
		return deliveryTask(name, store, store.InTx(nil), within(d))
	}
	return deliveryTask(name, store, nil, beside(db, d))
}

// pgxTask has a store of pgxhook and the row within.
func (b *bench) pgxTask(name string) (task, error) {
	pool, err := b.servers.pool(b.ctx)
	if err != nil {
		return task{}, err
	}
	store, err := pgxhook.New(pool)
	if err != nil {
		return task{}, err
	}
	if err := store.Migrate(b.ctx); err != nil {
		return task{}, err
	}
	if _, err := pool.Exec(b.ctx, createMoods); err != nil {
		return task{}, err
	}
	return deliveryTask(name, store, store.InTx(pgx.TxOptions{}), func(ctx context.Context, id string) error {
		tx, err := pgxhook.Tx(ctx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, insertMood(sqlhook.Postgres), id)
		return err
	})
}

// besidePostgres has another store, and the row in PostgreSQL.
func (b *bench) besidePostgres(name string, open func() (sonzaihook.Store, error)) (task, error) {
	store, err := open()
	if err != nil {
		return task{}, err
	}
	db, err := b.effects(sqlhook.Postgres)
	if err != nil {
		return task{}, err
	}
	return deliveryTask(name, store, nil, beside(db, sqlhook.Postgres))
}

// The rows of the table of transactions.
const (
	inMemory = iota
	redisEverysec
	redisAlways
	postgresBeside
	postgresInTx
	pgxInTx
	mariadbBeside
	mariadbInTx
	sqliteBeside
	sqliteInTx
)

func (b *bench) deliveryTasks() ([]task, error) {
	redis := func(fsync string) func() (sonzaihook.Store, error) {
		return func() (sonzaihook.Store, error) { return b.redisStore(fsync) }
	}
	memory := func() (sonzaihook.Store, error) {
		return sonzaihook.NewMemoryStore(sonzaihook.DefaultStoreCapacity), nil
	}
	rows := []struct {
		name string
		make func(name string) (task, error)
	}{
		inMemory:       {"memory + PostgreSQL", func(n string) (task, error) { return b.besidePostgres(n, memory) }},
		redisEverysec:  {"Redis everysec + PostgreSQL", func(n string) (task, error) { return b.besidePostgres(n, redis("everysec")) }},
		redisAlways:    {"Redis always + PostgreSQL", func(n string) (task, error) { return b.besidePostgres(n, redis("always")) }},
		postgresBeside: {"PostgreSQL, beside", func(n string) (task, error) { return b.sqlTask(n, sqlhook.Postgres, false) }},
		postgresInTx:   {"PostgreSQL, InTx", func(n string) (task, error) { return b.sqlTask(n, sqlhook.Postgres, true) }},
		pgxInTx:        {"PostgreSQL, InTx of pgxhook", b.pgxTask},
		mariadbBeside:  {"MariaDB, beside", func(n string) (task, error) { return b.sqlTask(n, sqlhook.MySQL, false) }},
		mariadbInTx:    {"MariaDB, InTx", func(n string) (task, error) { return b.sqlTask(n, sqlhook.MySQL, true) }},
		sqliteBeside:   {"SQLite, beside", func(n string) (task, error) { return b.sqlTask(n, sqlhook.SQLite, false) }},
		sqliteInTx:     {"SQLite, InTx", func(n string) (task, error) { return b.sqlTask(n, sqlhook.SQLite, true) }},
	}
	var tasks []task
	for _, row := range rows {
		t, err := row.make(row.name)
		switch {
		case notInstalled(err):
			t = task{name: row.name, missing: err}
		case err != nil:
			return nil, err
		}
		tasks = append(tasks, t)
	}
	return tasks, nil
}

func (b *bench) transactions() error {
	flush, err := b.servers.disk()
	if err != nil {
		return err
	}
	claims, err := b.claimTasks()
	if err != nil {
		return err
	}
	if err := flush.measure(b.flushes()); err != nil {
		return err
	}
	claimed, err := b.contest("stores, claim and commit", atATime, 20, claims)
	if err != nil {
		return err
	}
	deliveries, err := b.deliveryTasks()
	if err != nil {
		return err
	}
	delivered, err := b.contest("stores, whole deliveries", atATime, 20, deliveries)
	if err != nil {
		return err
	}
	if err := flush.measure(b.flushes()); err != nil {
		return err
	}
	b.paper.title("Stores: claim and commit, 16 at a time", "Redis with a plain client, databases with 20 connections and the settings that they come with, SQLite in WAL mode with synchronous FULL. "+flush.String())
	b.paper.rates(claimed)
	b.paper.title("Stores: whole deliveries, 16 at a time", "Verified, claimed, one row written by the callback, committed. Beside: the row has a separate transaction. InTx: the row and \"done\" are in one.")
	b.paper.rates(delivered)
	b.paper.aims(b.transactionAims(delivered, flush))
	return nil
}

func (b *bench) transactionAims(r []turns, flush *disk) []aim {
	aims := []aim{
		faster("InTx on PostgreSQL ÷ its store beside", &r[postgresInTx], &r[postgresBeside], 1),
		faster("InTx on PostgreSQL ÷ Redis everysec beside", &r[postgresInTx], &r[redisEverysec], 0.6),
		faster("InTx of pgxhook ÷ Redis everysec beside", &r[pgxInTx], &r[redisEverysec], 0.6),
		compared("InTx on MariaDB ÷ its store beside", &r[mariadbInTx], &r[mariadbBeside]),
		compared("InTx on SQLite ÷ its store beside", &r[sqliteInTx], &r[sqliteBeside]),
	}
	// 700 a second were aimed at on a disk that takes 3 ms; a slower one does fewer.
	bound := 700 * min(1, float64(3*time.Millisecond)/float64(flush.percentile(50)))
	return append(aims, newAim("InTx on SQLite, per s", atLeast, r[sqliteInTx].rate(), bound, thousands),
		shown("flush of this disk, p50", span(flush.percentile(50))), shown("flush of this disk, p99", span(flush.percentile(99))))
}

// rates prints how often a second each task was done, and how long it took.
func (p *paper) rates(results []turns) {
	var rows []table.Row
	for i := range results {
		r := &results[i]
		if r.missing != nil {
			rows = append(rows, table.Row{r.name, "not installed", "", ""})
			continue
		}
		rows = append(rows, table.Row{r.name, thousands(r.rate()), span(r.percentile(50)), span(r.percentile(99))})
	}
	p.table(table.Row{"", "per s", "p50", "p99"}, rows)
}
