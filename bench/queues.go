package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
)

// The queues: how many deliveries a second go in, sixteen at a time and each answered
// after COMMIT, and how many come out and run.

// queue is one that competes.
type queue struct {
	name    string
	missing error
	enqueue func(ctx context.Context, n int64) error
	// drain runs what is in it with 16 workers until ctx ends, and calls ran for
	// each; nil where nothing comes out.
	drain func(ctx context.Context, ran func()) error
}

// queueBody is a delivery of 1 KB.
func queueBody(n int64) []byte {
	return fmt.Appendf(nil, `{"event_type":"agent.mood_change","event_id":"evt_%d","data":{"label":"%0900d"}}`, n, 0)
}

// queueTurns are the figures of one queue.
type queueTurns struct{ enqueued, drained turns }

// drainTimeout is for a queue that hands out less than was put in.
const drainTimeout = 3 * time.Minute

var errNotDrained = errors.New("not everything that was enqueued came out")

// drainAll drains so many deliveries, and returns how many a second ran, from the
// first to the last: how long workers take to start is not what is measured.
func (q *queue) drainAll(ctx context.Context, want int64) (float64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, drainTimeout, errNotDrained)
	defer cancel()
	var count, first, last atomic.Int64
	began := time.Now()
	err := q.drain(ctx, func() {
		n := count.Add(1)
		if n == 1 {
			first.Store(int64(time.Since(began)))
		}
		if n == want {
			last.Store(int64(time.Since(began)))
			cancel()
		}
	})
	if count.Load() < want {
		return 0, fmt.Errorf("%s: %d of %d ran: %w", q.name, count.Load(), want, errors.Join(context.Cause(ctx), err))
	}
	took := time.Duration(max(1, last.Load()-first.Load()))
	return float64(max(1, want-1)) / took.Seconds(), err
}

// turn fills a queue for a time and then drains what was put in.
func (q *queue) turn(ctx context.Context, c contest, length time.Duration, r *queueTurns) error {
	rate, took, err := c.turn(ctx, task{name: q.name, do: q.enqueue}, length)
	if err != nil {
		return err
	}
	r.enqueued.rates = append(r.enqueued.rates, rate)
	r.enqueued.took = append(r.enqueued.took, took...)
	if q.drain == nil {
		return nil
	}
	rate, err = q.drainAll(ctx, int64(len(took)))
	r.drained.rates = append(r.drained.rates, rate)
	return err
}

// raceQueues lets queues take turns.
func (b *bench) raceQueues(name string, rounds int, queues []*queue) ([]queueTurns, error) {
	c := contest{callers: atATime}
	results := make([]queueTurns, len(queues))
	step := b.progressOf(name)
	for i, q := range queues {
		if q.missing == nil {
			if err := q.turn(b.ctx, c, b.turn(10), &queueTurns{}); err != nil {
				return nil, err
			}
		}
		results[i].enqueued = turns{name: q.name, missing: q.missing}
	}
	for round := range rounds {
		step(round, rounds)
		for k := range queues {
			i := (round + k) % len(queues)
			if queues[i].missing != nil {
				continue
			}
			if err := queues[i].turn(b.ctx, c, b.turn(60), &results[i]); err != nil {
				return nil, err
			}
		}
	}
	for i := range results {
		slices.Sort(results[i].enqueued.took)
	}
	return results, nil
}

// The rows of the table of queues.
const (
	oursPostgres = iota
	oursPostgresMemory
	riverPostgres
	watermillPostgres
	insertPostgres
	oursSQLite
	oursSQLiteMemory
	goqiteSQLite
	insertSQLite
	oursMariaDB
	oursMariaDBMemory
	insertMariaDB
)

func (b *bench) queues() error {
	defer allProcessors()()
	flush, err := b.servers.disk()
	if err != nil {
		return err
	}
	if err := flush.measure(b.flushes()); err != nil {
		return err
	}
	queues, err := b.allQueues()
	if err != nil {
		return err
	}
	results, err := b.raceQueues("queues", max(b.plan.rounds/4, 1), queues)
	if err != nil {
		return err
	}
	if err := flush.measure(b.flushes()); err != nil {
		return err
	}
	b.paper.title("Queues: in and out, 16 at a time", "Bodies of 1 KB. Enqueue: each answered after COMMIT. Drain: 16 workers run what was put in, callbacks do nothing; "+
		"sqlhook runs whole deliveries with their claim and \"done\" in the same database, or in the memory of the one process. "+flush.String())
	b.paper.queues(results)
	b.paper.write("\n" + queueSettings + "\n")
	b.paper.aims(queueAims(results, flush))
	if b.backlog {
		return b.backlogs()
	}
	return nil
}

const queueSettings = "River: one `Insert` for each, `FetchCooldown` of 1 ms, because throughput is limited by it, and polling every\n" +
	"20 ms. watermill-sql: `PostgreSQLQueueSchema` with `DeleteOnAck` and batches of 100, the default; it hands out\n" +
	"one at a time and acknowledges a batch in one transaction. goqite: one connection, as its documentation has it.\n" +
	"SQLite in WAL mode with synchronous FULL, servers with the settings that they come with, pools of 20."

func (p *paper) queues(results []queueTurns) {
	var rows []table.Row
	for i := range results {
		in, out := &results[i].enqueued, &results[i].drained
		row := table.Row{in.name, "not installed", "", "", ""}
		if in.missing == nil {
			row = table.Row{in.name, thousands(in.rate()), span(in.percentile(50)), span(in.percentile(99)), ""}
			if len(out.rates) > 0 {
				row[4] = thousands(out.rate())
			}
		}
		rows = append(rows, row)
	}
	p.table(table.Row{"", "enqueue/s", "p50", "p99", "drain/s"}, rows)
}

func queueAims(r []queueTurns, flush *disk) []aim {
	in := func(i int) *turns { return &r[i].enqueued }
	aims := []aim{
		faster("SQLite: enqueue ÷ goqite", in(oursSQLite), in(goqiteSQLite), 4),
		faster("SQLite: enqueue ÷ an INSERT", in(oursSQLite), in(insertSQLite), 1),
		faster("PostgreSQL: enqueue ÷ watermill-sql", in(oursPostgres), in(watermillPostgres), 1.5),
		faster("PostgreSQL: enqueue ÷ River", in(oursPostgres), in(riverPostgres), 2),
		faster("PostgreSQL: enqueue ÷ an INSERT", in(oursPostgres), in(insertPostgres), 1),
		faster("MariaDB: enqueue ÷ an INSERT", in(oursMariaDB), in(insertMariaDB), 1),
		compared("SQLite: drain ÷ goqite", &r[oursSQLite].drained, &r[goqiteSQLite].drained),
		compared("PostgreSQL: drain ÷ River", &r[oursPostgres].drained, &r[riverPostgres].drained),
		compared("PostgreSQL: drain ÷ watermill-sql", &r[oursPostgres].drained, &r[watermillPostgres].drained),
	}
	for _, i := range []int{oursPostgres, oursPostgresMemory, oursSQLite, oursSQLiteMemory, oursMariaDB, oursMariaDBMemory} {
		aims = append(aims, faster(in(i).name+": drain ÷ enqueue", &r[i].drained, in(i), 1))
	}
	for _, i := range []int{oursPostgres, oursSQLite, oursMariaDB} {
		if t := in(i); t.missing == nil {
			flushes := float64(t.percentile(99)) / float64(flush.percentile(50))
			aims = append(aims, newAim(t.name+": p99 of enqueue in flushes", atMost, flushes, 3, ratio))
		}
	}
	return aims
}
