package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/sonzaihook/sonzaihook"
)

const (
	queueName = "sonzai"
	// format is the version of what a job holds. A worker leaves jobs of a newer one
	// to workers that know it.
	format = 1

	runTimeout = 10 * time.Minute // of the callbacks of one delivery
	// A delivery is given up when it has failed so often, or is so old.
	maxAttempts = 12
	maxAge      = 72 * time.Hour
	// maxRuns is for a job that comes back after its last attempt: its worker died, its
	// dead letter failed, or JobRetry was called. After so many it is not run again,
	// because it may be what kills the workers.
	maxRuns = maxAttempts + 3
)

// deliveryArgs is the job: what travels from the receiver to the worker. Text that
// may hold any byte is base64, because PostgreSQL's jsonb takes no zero byte, and so
// is the signed body, byte for byte. The signature and the Authorization header do not
// travel: who can write to the table is trusted.
type deliveryArgs struct {
	Format     int               `json:"format"`
	ID         []byte            `json:"id" river:"unique"`
	Type       []byte            `json:"type"`
	Name       []byte            `json:"name"`
	Project    []byte            `json:"project,omitempty"`
	Source     string            `json:"source"` // where it came from: the webhook, a poll, a replay
	SignedAt   int64             `json:"signed_at,omitempty"`
	ReceivedAt time.Time         `json:"received_at"`
	Trace      map[string]string `json:"trace,omitempty"`
	Body       []byte            `json:"body"`
}

func (deliveryArgs) Kind() string { return "sonzai_delivery" }

// InsertOpts makes copies of a delivery one job, until River deletes it, a day after
// it is done. A copy that comes later is another job, and a duplicate to the
// receiver, whose claim decides. A job that was given up is in the way of none: what
// is replayed runs again.
//
// The worker decides when to give up. River's own limit must not be reached, because
// River discards the job of a worker that died on the last attempt, without asking
// the dead letter.
func (deliveryArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{
		Queue:       queueName,
		MaxAttempts: math.MaxInt16,
		UniqueOpts:  river.UniqueOpts{ByArgs: true},
	}
}

func newArgs(d *sonzaihook.Delivery, now time.Time) deliveryArgs {
	args := deliveryArgs{
		Format: format,
		ID:     []byte(d.ID), Type: []byte(d.Type), Name: []byte(d.Name), Project: []byte(d.Project),
		Source: string(d.Source), ReceivedAt: now, Trace: d.Trace, Body: d.Body,
	}
	if !d.SignedAt.IsZero() {
		args.SignedAt = d.SignedAt.Unix()
	}
	return args
}

// delivery is what the worker dispatches. Its source is the broker, or it would be
// handed off again.
func (args *deliveryArgs) delivery() *sonzaihook.Delivery {
	d := &sonzaihook.Delivery{
		ID: string(args.ID), Type: sonzaihook.EventType(args.Type), Name: string(args.Name),
		Project: string(args.Project), Source: sonzaihook.SourceBroker, Trace: args.Trace, Body: args.Body,
	}
	if args.SignedAt != 0 {
		d.SignedAt = time.Unix(args.SignedAt, 0)
	}
	return d
}

// handOff returns the function for WithHandOff. Its job is inserted in a transaction,
// with whatever else belongs to the arrival of a delivery: here a line in a list that
// outlives the job. It returns after COMMIT, so what is answered 202 is on the disk,
// and an error is answered 503.
func handOff(pool *pgxpool.Pool) (func(context.Context, *sonzaihook.Delivery) error, error) {
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{}) // it only inserts
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, d *sonzaihook.Delivery) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			args := newArgs(d, time.Now())
			inserted, err := client.InsertTx(ctx, tx, args, nil)
			if err != nil || inserted.UniqueSkippedAsDuplicate {
				return err
			}
			_, err = tx.Exec(ctx, "INSERT INTO arrivals (job, at) VALUES ($1, $2)", inserted.Job.ID, args.ReceivedAt)
			return err
		})
	}, nil
}

// newWorkers returns the client that runs the jobs.
func newWorkers(pool *pgxpool.Pool, hooks *sonzaihook.Receiver) (*river.Client[pgx.Tx], error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &worker{hooks: hooks})
	return river.NewClient(riverpgxv5.New(pool), &river.Config{
		Queues:  map[string]river.QueueConfig{queueName: {MaxWorkers: atOnce}},
		Workers: workers,
		// The receiver ends what runs for too long, with time to settle it. A job that
		// still runs after that belongs to a worker that died, and runs again.
		JobTimeout:           runTimeout + time.Minute,
		RescueStuckJobsAfter: runTimeout + 2*time.Minute,
		// What was given up stays to be looked at, and sent again with JobRetry. The
		// bodies are personal data, so it does not stay for ever.
		CancelledJobRetentionPeriod: 14 * 24 * time.Hour,
	})
}

// worker runs the receiver's callbacks for jobs. It is safe for concurrent use.
type worker struct {
	river.WorkerDefaults[deliveryArgs]
	hooks *sonzaihook.Receiver
}

var _ river.Worker[deliveryArgs] = (*worker)(nil)

// Work runs a delivery, and does with its job what the outcome says:
//
//	2xx                                   completed
//	503: a copy runs, the store, or later due after what was asked for, no attempt
//	500: an error, a panic                due after the backoff; after the last attempt, or when it is
//	                                      too old, the dead letter is asked, and it is cancelled
//	4xx: Permanent, and the like          the receiver has asked the dead letter; cancelled
//	no callback for the type              cancelled: a worker of the next version may have one
//	the callback's context was canceled   due a minute later, no attempt, never given up
//	River stops before the run            due at once, no attempt
//
// Cancelled jobs are kept, see newWorkers.
func (w *worker) Work(ctx context.Context, job *river.Job[deliveryArgs]) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if job.Args.Format > format {
		return river.JobSnooze(time.Minute)
	}
	d := job.Args.delivery()
	if job.Attempt > maxRuns {
		return w.giveUp(ctx, d, errors.New("given up without a run"))
	}
	out := w.hooks.Dispatch(sonzaihook.ContextWithTimeout(ctx, runTimeout), d)
	after, again := out.Retry()
	tooOld := time.Since(job.Args.ReceivedAt) > maxAge
	switch {
	case out.Code == sonzaihook.CodeIgnored && out.Err == nil: // Ignore has a reason
		return river.JobCancel(errors.New("no callback for the type"))
	case out.Status < http.StatusMultipleChoices:
		return nil
	case !again:
		return river.JobCancel(reason(out.Code, out.Err))
	case errors.Is(out.Err, context.Canceled): // a process that ends is no fault of the event's
		return river.JobSnooze(time.Minute)
	case out.Status == http.StatusServiceUnavailable && !tooOld:
		return river.JobSnooze(max(after, time.Second))
	case job.Attempt >= maxAttempts || tooOld:
		return w.giveUp(ctx, d, reason(out.Code, out.Err))
	}
	return reason(out.Code, out.Err)
}

// giveUp asks the dead letter. While that fails the job stays, and is tried again.
func (w *worker) giveUp(ctx context.Context, d *sonzaihook.Delivery, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	err := w.hooks.DeadLetter(ctx, d, why)
	if err != nil && !errors.Is(err, sonzaihook.ErrNoDeadLetter) {
		return reason("dead letter failed", err)
	}
	return river.JobCancel(why)
}

// reason returns the error that River writes into the job. It is made of text, and
// of text that jsonb takes: one that the database refuses would hold up the results
// of other jobs.
func reason(code string, err error) error {
	if err == nil {
		return errors.New(code)
	}
	text := strings.ReplaceAll(err.Error(), "\x00", "\uFFFD")
	return fmt.Errorf("%s: %s", code, strings.ToValidUTF8(text, "\uFFFD"))
}

// NextRetry makes River wait for 1 s after the first failure, twice as long after
// each further one, and for an hour at most, a fifth more or less.
func (w *worker) NextRetry(job *river.Job[deliveryArgs]) time.Time {
	wait := min(time.Second<<min(max(job.Attempt-1, 0), 12), time.Hour)
	return time.Now().Add(wait - wait/5 + rand.N(2*wait/5))
}
