//go:build unix

package main

import (
	"context"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/pgxhook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
)

// steps passes the points round the claim.
type steps struct {
	sonzaihook.Store
	p *process

	mu    sync.Mutex
	known map[string]bool // tokens
}

var errUnreachable = errors.New("exactlyonce: the database cannot be reached")

// renewal reports whether a token has claimed before.
func (s *steps) renewal(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.known[token]
	s.known[token] = true
	return known
}

// Claim implements sonzaihook.Store.
func (s *steps) Claim(ctx context.Context, key, token string, lease time.Duration) (sonzaihook.State, error) {
	if s.renewal(token) && s.p.unrenewable(token) {
		return 0, errUnreachable
	}
	s.p.pass(beforeClaim)
	state, err := s.Store.Claim(ctx, key, token, lease)
	if err == nil && state == sonzaihook.Claimed {
		s.p.pass(afterClaim)
	}
	return state, err
}

// linger takes a moment with a transaction that is open; a run whose lease cannot be
// renewed takes longer than that, and does not look at its context.
func (p *process) linger(ctx context.Context) {
	if p.Database == "sqlite" { // where it keeps all others waiting
		return
	}
	claim, _ := sonzaihook.ClaimFrom(ctx)
	if p.unrenewable(claim.Token) {
		time.Sleep(p.Lease + p.Lease/2)
		return
	}
	time.Sleep(rand.N(10 * time.Millisecond))
}

// unrenewable is a tenth of the claims.
func (p *process) unrenewable(token string) bool {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(token))
	return token != "" && hash.Sum32()%10 == 0
}

// marksFirst is a flaw: what is killed after it is done without an effect.
func (p *process) marksFirst(store sonzaihook.Store) func(sonzaihook.Handler) sonzaihook.Handler {
	return func(next sonzaihook.Handler) sonzaihook.Handler {
		return func(ctx context.Context, d *sonzaihook.Delivery) error {
			if claim, ok := sonzaihook.ClaimFrom(ctx); ok {
				if err := store.Commit(ctx, claim.Key, claim.Token, claim.Keep); err != nil {
					return err
				}
			}
			return next(ctx, d)
		}
	}
}

// inTx writes the effect in the transaction in which "done" is written.
func (p *process) inTx(ctx context.Context, event string) error {
	tx, err := sqlhook.Tx(ctx)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, insertEffect(p.Database), event, p.id)
	return err
}

func (p *process) inPgxTx(ctx context.Context, event string) error {
	tx, err := pgxhook.Tx(ctx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, insertEffect(p.Database), event, p.id)
	return err
}

// apart writes the effect in a transaction that knows nothing of "done". With the flaw
// of a missing fence it commits whoever holds the claim by then.
func (p *process) apart(ctx context.Context, event string) error {
	if p.Flaw != WithoutFence {
		_, err := p.db.ExecContext(ctx, insertEffect(p.Database), event, p.id)
		return err
	}
	claim, _ := sonzaihook.ClaimFrom(ctx)
	slow := ctx
	ctx = context.WithoutCancel(ctx) // it does not look whether the claim is lost
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, insertEffect(p.Database), event, p.id); err != nil {
		return err
	}
	p.linger(slow)
	if err := tx.Commit(); err != nil {
		return err
	}
	_ = p.store.Commit(ctx, claim.Key, claim.Token, claim.Keep) // too late for a fence
	return nil
}
