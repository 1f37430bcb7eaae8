package sqlhook

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/internal/sqlclaim"
)

// writer lets one goroutine of this process write to an SQLite file at a time: to
// wait for one another here costs less than to find the file busy.
type writer struct{ turn chan struct{} }

func newWriter() *writer { return &writer{turn: make(chan struct{}, 1)} }

func (w *writer) lock(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case w.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return errWriterBusy
	}
}

func (w *writer) unlock() { <-w.turn }

// change is one call of the store's that writes, and what came of it.
type change struct {
	ctx  context.Context
	call func(context.Context, querier) error
	err  error // what the call says of the key; an error of the database is none
}

// most is how many calls share a transaction.
const most = 200

func (s *Store) shareWrites() {
	s.writer = newWriter()
	s.writes = &group[*change]{
		lanes:    1,
		most:     most,
		together: s.changeAll,
		alone:    func(ctx context.Context, c *change) error { return s.changeAll(ctx, []*change{c}) },
	}
}

// changeAll makes changes in one transaction. Its first statement makes it the
// file's writer, and makes COMMIT flush the file whatever the changes wrote: what
// the transactions of InTx before it have committed is on the disk then as well.
func (s *Store) changeAll(ctx context.Context, changes []*change) error {
	if err := s.writer.lock(ctx); err != nil {
		return err
	}
	defer s.writer.unlock()
	return sqlclaim.Retry(ctx, func() error {
		tx, err := s.db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // after Commit it does nothing
		if _, err := tx.ExecContext(ctx, sqlclaim.SQLiteTouch); err != nil {
			return err
		}
		for _, c := range changes {
			if c.ctx.Err() != nil {
				continue // its caller has left
			}
			if c.err = c.call(ctx, tx); c.err != nil && !errors.Is(c.err, sonzaihook.ErrLeaseLost) {
				return c.err
			}
		}
		return tx.Commit()
	})
}

// flush returns when everything that was committed before is on the disk.
func (s *Store) flush(ctx context.Context) error {
	return s.writes.do(ctx, &change{ctx: ctx, call: func(context.Context, querier) error { return nil }})
}

// beginSQLite begins a run's transaction and makes it the file's writer at once:
// first among the goroutines of this process, then, by writing no row, among the
// processes.
func (s *Store) beginSQLite(r *run) (*sql.Tx, error) {
	if err := s.writer.lock(r.ctx); err != nil {
		return nil, err
	}
	conn, err := s.db.Conn(r.ctx)
	if err != nil {
		s.writer.unlock()
		return nil, err
	}
	restore, err := s.deferFlush(r.ctx, conn)
	var tx *sql.Tx
	if err == nil {
		r.unflushed = restore != nil
		tx, err = beginWriting(r.ctx, conn, r.opts)
	}
	closeConn := func() {
		if restore != nil {
			restore()
		}
		_ = conn.Close()
	}
	if err != nil {
		closeConn()
		s.writer.unlock()
		return nil, err
	}
	s.opened(r.claim)
	free := sync.OnceFunc(func() {
		s.closed(r.claim)
		closeConn()
		s.writer.unlock()
	})
	// database/sql rolls back when the context ends. Then the lease has to be
	// renewed in the file again, and others may write, whatever the callback does.
	stop := context.AfterFunc(r.ctx, func() {
		_ = tx.Rollback()
		free()
	})
	r.free = func() {
		stop()
		free()
	}
	return tx, nil
}

// deferFlush lets COMMIT on a connection not flush the file, where that is safe: in
// WAL mode, in which a later flush finishes what is before it and a crash loses the
// end, never the middle. InTx then shares a flush with others before it returns. It
// returns nil where COMMIT flushes as it is set to.
func (s *Store) deferFlush(ctx context.Context, conn *sql.Conn) (restore func(), err error) {
	var mode string
	var level int
	if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return nil, err
	}
	if err := conn.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&level); err != nil {
		return nil, err
	}
	const full = 2
	if mode != "wal" || level < full {
		return nil, nil
	}
	if _, err := conn.ExecContext(ctx, "PRAGMA synchronous = NORMAL"); err != nil {
		return nil, err
	}
	return func() {
		query := "PRAGMA synchronous = FULL"
		if level > full {
			query = "PRAGMA synchronous = EXTRA"
		}
		if _, err := conn.ExecContext(context.WithoutCancel(ctx), query); err != nil {
			_ = conn.Raw(func(any) error { return errBadConn }) // closes it for good
		}
	}, nil
}

func beginWriting(ctx context.Context, conn *sql.Conn, opts *sql.TxOptions) (*sql.Tx, error) {
	var tx *sql.Tx
	err := sqlclaim.Retry(ctx, func() error {
		var err error
		if tx, err = conn.BeginTx(ctx, opts); err != nil {
			return err
		}
		if _, err = tx.ExecContext(ctx, sqlclaim.SQLiteLock); err != nil {
			_ = tx.Rollback()
		}
		return err
	})
	return tx, err
}

func (s *Store) opened(claim sonzaihook.Claim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[claim.Key] = claim.Token
}

func (s *Store) closed(claim sonzaihook.Claim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[claim.Key] == claim.Token {
		delete(s.open, claim.Key)
	}
}

// openTransaction answers a claim of a key whose transaction is open in this
// process. It needs no look at the file, which the transaction has for itself: the
// holder keeps the key as long as it is open, and no other can get it.
func (s *Store) openTransaction(key, token string) (sonzaihook.State, bool) {
	if s.writer == nil {
		return 0, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch holder, open := s.open[key]; {
	case !open:
		return 0, false
	case holder == token:
		return sonzaihook.Claimed, true
	}
	return sonzaihook.InFlight, true
}
