//go:build unix

package main

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/pgxhook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
	"github.com/sonzaihook/sonzaihook/checks/internal/fleet"
)

// receiverEnv is the environment variable with the orders of a receiver process.
const receiverEnv = "SONZAIHOOK_EXACTLYONCE_RECEIVER"

const secret = "whsec_exactlyonce_0123456789abcdef0123"

var quiet = slog.New(slog.DiscardHandler)

// Points at which an instance can be killed, in the order in which a delivery passes
// them. The steps of the queue are passed where there is one.
const (
	beforeEnqueue = "killed before it was queued"
	afterEnqueue  = "killed after it was queued"
	beforeClaim   = "killed before the claim"
	afterClaim    = "killed after the claim"
	beforeWrite   = "killed before the write"
	afterWrite    = "killed after the write"
	beforeCommit  = "killed before the commit"
	afterCommit   = "killed after the commit"
	beforeAnswer  = "killed before the answer"
	afterAnswer   = "killed after the answer"
)

// poisonAttempts is how often an event that kills its process is tried.
const poisonAttempts = 4

func points(queue bool) []string {
	run := []string{beforeClaim, afterClaim, beforeWrite, afterWrite, beforeCommit, afterCommit, beforeAnswer, afterAnswer}
	if queue {
		return append([]string{beforeEnqueue, afterEnqueue}, run...)
	}
	return run
}

// orders is what all receiver processes are told.
type orders struct {
	Database string        `json:"database"`
	DSN      string        `json:"dsn"`
	Lease    time.Duration `json:"lease"`
	Queue    bool          `json:"queue"`
	Flaw     Flaw          `json:"flaw"`
	Poison   []string      `json:"poison"`
}

// process is one receiver process.
type process struct {
	orders
	id    int
	pass  func(point string)
	db    *sql.DB
	store *sqlhook.Store
}

// serveReceiver runs a receiver process.
func serveReceiver() error {
	var p process
	told, err := fleet.Told(receiverEnv, &p.orders)
	if err != nil {
		return err
	}
	p.id, p.pass = told.ID, told.Killer()
	if p.db, p.store, err = open(p.Database, p.DSN); err != nil {
		return err
	}
	defer p.db.Close()
	var pool *pgxpool.Pool
	if p.Database == "pgx" {
		if pool, err = newPool(p.DSN); err != nil {
			return err
		}
		defer pool.Close()
	}
	return p.serve(pool)
}

func newPool(dsn string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.MaxConns = 24
	return pgxpool.NewWithConfig(context.Background(), config)
}

func (p *process) serve(pool *pgxpool.Pool) error {
	var store sonzaihook.Store = p.store
	inTx, write := p.store.InTx(nil), p.inTx
	if pool != nil {
		pgxStore, err := pgxhook.New(pool, pgxhook.WithLogger(quiet))
		if err != nil {
			return err
		}
		store, inTx, write = pgxStore, pgxStore.InTx(pgx.TxOptions{}), p.inPgxTx
	}
	attempts := 1000
	if len(p.Poison) > 0 {
		attempts = poisonAttempts
	}
	queue := p.store.Queue("events", sqlhook.WithQueueLease(p.Lease), sqlhook.WithBackoff(50*time.Millisecond, time.Second), sqlhook.WithPoll(100*time.Millisecond), sqlhook.WithAttempts(attempts))
	options := []sonzaihook.Option{
		sonzaihook.WithStore(&steps{Store: store, p: p, known: map[string]bool{}}), sonzaihook.WithLease(p.Lease), sonzaihook.WithMaxInFlight(16), sonzaihook.WithLogger(quiet),
	}
	if p.Queue {
		options = append(options, sonzaihook.WithHandOff(p.enqueue(queue)))
	}
	hooks, err := sonzaihook.New(sonzaihook.Secret(secret), options...)
	if err != nil {
		return err
	}
	hooks.Use(p.after)
	switch p.Flaw {
	case MarksFirst:
		hooks.Use(p.marksFirst(store))
		write = p.apart
	case CommitsOutside, WithoutFence:
		write = p.apart
	default:
		hooks.Use(inTx)
	}
	hooks.Use(p.before)
	hooks.OnMessage(func(ctx context.Context, e *sonzaihook.MessageEvent) error {
		if slices.Contains(p.Poison, e.ID) {
			fleet.Die()
		}
		p.pass(beforeWrite)
		defer p.pass(afterWrite)
		return write(ctx, e.ID)
	})
	work, stop := context.WithCancel(context.Background())
	defer stop()
	worked := make(chan error, 1)
	go func() {
		if p.Queue {
			worked <- queue.Run(work, hooks)
		} else {
			worked <- nil
		}
	}()
	return fleet.Serve(p.answering(hooks), func(ctx context.Context) error {
		stop()
		return errors.Join(<-worked, hooks.Shutdown(ctx))
	})
}

// enqueue hands a delivery to the queue.
func (p *process) enqueue(queue *sqlhook.Queue) func(context.Context, *sonzaihook.Delivery) error {
	return func(ctx context.Context, d *sonzaihook.Delivery) error {
		p.pass(beforeEnqueue)
		if p.Flaw == AnswersEarly {
			go func() {
				time.Sleep(20 * time.Millisecond)
				_ = queue.Enqueue(context.WithoutCancel(ctx), d)
			}()
			return nil
		}
		err := queue.Enqueue(ctx, d)
		p.pass(afterEnqueue)
		return err
	}
}

// after is outside of the transaction, before inside of it.
func (p *process) after(next sonzaihook.Handler) sonzaihook.Handler {
	return func(ctx context.Context, d *sonzaihook.Delivery) error {
		err := next(ctx, d)
		p.pass(afterCommit)
		return err
	}
}

func (p *process) before(next sonzaihook.Handler) sonzaihook.Handler {
	return func(ctx context.Context, d *sonzaihook.Delivery) error {
		err := next(ctx, d)
		p.linger(ctx)
		p.pass(beforeCommit)
		return err
	}
}

// answering passes the last point.
func (p *process) answering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		buffered := &bufferedAnswer{ResponseWriter: w}
		next.ServeHTTP(buffered, r)
		p.pass(beforeAnswer)
		buffered.send()
		p.pass(afterAnswer)
	})
}

type bufferedAnswer struct {
	http.ResponseWriter
	status int
	body   []byte
}

func (b *bufferedAnswer) WriteHeader(status int) { b.status = status }
func (b *bufferedAnswer) Write(p []byte) (int, error) {
	b.body = append(b.body, p...)
	return len(p), nil
}

func (b *bufferedAnswer) send() {
	b.ResponseWriter.WriteHeader(b.status)
	_, _ = b.ResponseWriter.Write(b.body) // the platform hears it or sends again
	_ = http.NewResponseController(b.ResponseWriter).Flush()
}
