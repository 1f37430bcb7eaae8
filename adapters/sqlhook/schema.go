package sqlhook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/internal/sqlclaim"
)

// Migrations returns the files that make the tables, for a tool that keeps the
// schema of the whole database: 0001_claims.up.sql and so on, with the marks of
// goose in them. They only go up. It returns an error that wraps
// sonzaihook.ErrInvalidOption for an unknown dialect.
func Migrations(d Dialect) (fs.FS, error) {
	if d < Postgres || d > MySQL {
		return nil, fmt.Errorf("sqlhook: %w: %v is no dialect", sonzaihook.ErrInvalidOption, d)
	}
	return sqlclaim.Files(d.String()), nil
}

// Schema returns the statements that make the tables in an empty database, as
// text.
func (s *Store) Schema() string { return sqlclaim.Schema(s.dialect.String()) }

// Migrate makes the tables, or brings those of an older version up to date. It may
// be called by several instances at once, and does nothing where all is as it
// should be. Tables of a newer version are an error that wraps [ErrSchema].
func (s *Store) Migrate(ctx context.Context) error {
	if s.writer != nil {
		if err := s.writer.lock(ctx); err != nil {
			return s.explain(ctx, "migrate", err)
		}
		defer s.writer.unlock()
	}
	return s.explain(ctx, "migrate", sqlclaim.Retry(ctx, func() error { return s.migrate(ctx) }))
}

func (s *Store) migrate(ctx context.Context) error {
	if version, err := schemaVersion(ctx, s.db); err == nil && version == sqlclaim.Version {
		return nil
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if s.dialect == MySQL { // its statements that make tables commit by themselves
		unlock, err := lockMySQL(ctx, conn)
		if err != nil {
			return err
		}
		defer unlock()
		return s.migrateOn(ctx, conn)
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if s.dialect == Postgres {
		if _, err := tx.ExecContext(ctx, sqlclaim.MigrationLock); err != nil {
			return err
		}
	} else if _, err := tx.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS sonzaihook_schema (only_row INTEGER PRIMARY KEY, version INTEGER NOT NULL)"); err != nil {
		return err // it made the transaction the file's writer
	}
	if err := s.migrateOn(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

func (s *Store) migrateOn(ctx context.Context, on querier) error {
	var version int
	exists, err := s.hasSchemaTable(ctx, on)
	if err != nil {
		return err
	}
	if exists {
		if version, err = schemaVersion(ctx, on); err != nil {
			return err
		}
	}
	if version > sqlclaim.Version {
		return fmt.Errorf("%w: the tables have version %d, this program knows %d", ErrSchema, version, sqlclaim.Version)
	}
	for _, step := range sqlclaim.Migrations(s.dialect.String()) {
		if step.Version <= version {
			continue
		}
		for _, statement := range step.Statements {
			if _, err := on.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("version %d: %w", step.Version, err)
			}
		}
	}
	return nil
}

// hasSchemaTable asks in a way that does not fail where there is none: a statement
// that fails would end a transaction of PostgreSQL.
func (s *Store) hasSchemaTable(ctx context.Context, on querier) (bool, error) {
	query := map[Dialect]string{
		Postgres: "SELECT CASE WHEN to_regclass('sonzaihook_schema') IS NULL THEN 0 ELSE 1 END",
		SQLite:   "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'sonzaihook_schema'",
		MySQL:    "SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'sonzaihook_schema'",
	}[s.dialect]
	var n int
	err := on.QueryRowContext(ctx, query).Scan(&n)
	return n > 0, err
}

// schemaVersion returns the version of the tables; 0 if the table of versions is
// empty.
func schemaVersion(ctx context.Context, on querier) (int, error) {
	var version int
	err := on.QueryRowContext(ctx, "SELECT version FROM sonzaihook_schema").Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return version, err
}

func lockMySQL(ctx context.Context, conn *sql.Conn) (unlock func(), err error) {
	var got sql.NullInt64
	if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK('sonzaihook_migrate', 60)").Scan(&got); err != nil {
		return nil, err
	}
	if got.Int64 != 1 {
		return nil, errors.New("another instance has been migrating for a minute")
	}
	return func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "DO RELEASE_LOCK('sonzaihook_migrate')") // it ends with the connection
	}, nil
}

// Check asks the database whether a store can keep what it promises: that it can
// be written to, that the tables have the version that this program needs, and
// that its settings let it forget or change nothing. It returns an error that wraps
// [ErrReadOnly], [ErrSchema] or [ErrUnsafeServer] and says what to do. Call it at
// start-up; it is not part of any delivery.
func (s *Store) Check(ctx context.Context) error {
	version, err := schemaVersion(ctx, s.db)
	if err != nil {
		return s.explain(ctx, "check", err)
	}
	if err := s.checkVersion("check", version); err != nil {
		return err
	}
	return s.checkServer(ctx)
}

func (s *Store) checkVersion(what string, version int) error {
	if version != sqlclaim.Version {
		return fmt.Errorf("%w: %s: the tables have version %d, this program needs %d", ErrSchema, what, version, sqlclaim.Version)
	}
	return nil
}

func (s *Store) checkServer(ctx context.Context) error {
	switch s.dialect {
	case Postgres:
		return s.checkSettings(ctx, []setting{
			{"SHOW transaction_read_only", "off", ErrReadOnly, "transaction_read_only is %s, this is a replica or default_transaction_read_only is set"},
			{"SHOW fsync", "on", ErrUnsafeServer, "fsync is %s, a crash can lose what was done"},
			{"SHOW synchronous_commit", "", ErrUnsafeServer, "synchronous_commit is %s, a crash can forget what was done, set it to on for this role"},
		})
	case SQLite:
		return s.checkSettings(ctx, []setting{
			{"PRAGMA journal_mode", "wal", ErrUnsafeServer, "journal_mode is %s, set it to WAL, so that readers don't wait"},
			{"SELECT CASE WHEN synchronous >= 2 THEN 'full' ELSE 'less' END FROM pragma_synchronous", "full", ErrUnsafeServer, "synchronous is %s than FULL, a power failure can forget what was done"},
		})
	}
	return s.checkSettings(ctx, []setting{
		{"SELECT IF(@@global.read_only, 'on', 'off')", "off", ErrReadOnly, "read_only is %s, this is a replica"},
		{"SELECT IF(@@sql_mode LIKE '%STRICT%', 'strict', 'lax')", "strict", ErrUnsafeServer, "sql_mode is %s, add STRICT_TRANS_TABLES, else values are cut without an error"},
		{"SELECT IF(@@innodb_flush_log_at_trx_commit = 1, 'on', 'off')", "on", ErrUnsafeServer, "innodb_flush_log_at_trx_commit is %s, set it to 1, a crash can forget what was done"},
	})
}

// setting is a question to the server and the answer that it should give; an empty
// one means any but "off".
type setting struct {
	query, want string
	kind        error
	why         string
}

func (s *Store) checkSettings(ctx context.Context, settings []setting) error {
	for _, q := range settings {
		var got string
		if err := s.db.QueryRowContext(ctx, q.query).Scan(&got); err != nil {
			return s.explain(ctx, "check", err)
		}
		if got != q.want && (q.want != "" || got == "off") {
			return fmt.Errorf("%w: "+q.why, q.kind, got)
		}
	}
	return nil
}
