package sqlhook

import (
	"context"
	"database/sql"
	"sync"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/internal/sqlclaim"
)

// beginTx begins a run's transaction. On SQLite it becomes the file's writer at
// once: first among the goroutines of this process, then, by writing no row, among
// the processes.
func (s *Store) beginTx(r *run) (*sql.Tx, error) {
	if s.writer == nil {
		return s.db.BeginTx(r.ctx, r.opts)
	}
	if err := s.writer.lock(r.ctx); err != nil {
		return nil, err
	}
	tx, err := s.beginWriting(r.ctx, r.opts)
	if err != nil {
		s.writer.unlock()
		return nil, err
	}
	s.opened(r.claim)
	free := sync.OnceFunc(func() {
		s.closed(r.claim)
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

func (s *Store) beginWriting(ctx context.Context, opts *sql.TxOptions) (*sql.Tx, error) {
	var tx *sql.Tx
	err := sqlclaim.Retry(ctx, func() error {
		var err error
		if tx, err = s.db.BeginTx(ctx, opts); err != nil {
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
// holder keeps the key as long as it is open, and nobody else can get it.
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
