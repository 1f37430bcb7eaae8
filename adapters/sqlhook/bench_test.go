package sqlhook_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
)

// atATime is how many callers a benchmark has.
const atATime = 16

func benchEach(b *testing.B, bench func(b *testing.B, d database)) {
	b.Helper()
	for _, d := range []database{
		{sqlhook.Postgres, createPostgres}, {sqlhook.SQLite, createSQLite}, {sqlhook.MySQL, createMariaDB},
	} {
		b.Run(d.dialect.String(), func(b *testing.B) { bench(b, d) })
	}
}

// concurrently calls do b.N times, sixteen at a time, and reports the rate.
func concurrently(b *testing.B, do func(n int) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	start := time.Now()
	for range atATime {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := do(int(n)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "per_s")
}

func BenchmarkClaimAndCommit(b *testing.B) {
	benchEach(b, func(b *testing.B, d database) {
		store := newStore(b, d.open(b), d.dialect)
		ctx := b.Context()
		concurrently(b, func(n int) error {
			key := "evt_" + strconv.Itoa(n)
			if _, err := store.Claim(ctx, key, "a", time.Minute); err != nil {
				return err
			}
			return store.Commit(ctx, key, "a", time.Hour)
		})
	})
}

// BenchmarkDelivery has a callback that writes one row: in the transaction of InTx,
// and in a separate one beside the store.
func BenchmarkDelivery(b *testing.B) {
	benchEach(b, func(b *testing.B, d database) {
		for _, beside := range []bool{false, true} {
			name := "in tx"
			if beside {
				name = "beside"
			}
			b.Run(name, func(b *testing.B) {
				dsn := d.create(b)
				if d.dialect == sqlhook.SQLite {
					dsn += "&_pragma=busy_timeout(5000)"
				}
				db := d.connect(b, dsn)
				store := newStore(b, db, d.dialect)
				createEffects(b, db)
				hooks := newReceiver(b, store)
				if !beside {
					hooks.Use(store.InTx(nil))
				}
				hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
					if beside {
						return insertEffect(ctx, db, d.dialect, e.ID)
					}
					tx, err := sqlhook.Tx(ctx)
					if err != nil {
						return err
					}
					return insertEffect(ctx, tx, d.dialect, e.ID)
				})
				concurrently(b, func(n int) error {
					if status := deliver(b, hooks, n); status != http.StatusOK {
						return fmt.Errorf("status %d", status)
					}
					return nil
				})
			})
		}
	})
}

func BenchmarkEnqueue(b *testing.B) {
	benchEach(b, func(b *testing.B, d database) {
		queue := newStore(b, d.open(b), d.dialect).Queue("bench")
		concurrently(b, func(n int) error { return queue.Enqueue(b.Context(), benchDelivery(n)) })
	})
}

func benchDelivery(n int) *sonzaihook.Delivery {
	body := fmt.Appendf(nil, `{"event_type":"agent.mood_change","event_id":"evt_%d","data":{"label":"%01000d"}}`, n, 0)
	return &sonzaihook.Delivery{ID: "evt_" + strconv.Itoa(n), Type: sonzaihook.EventMoodChange, Source: sonzaihook.SourceWebhook, Body: body}
}

// BenchmarkDrain runs what waits, with a callback that does nothing and with one
// that writes a row under InTx.
func BenchmarkDrain(b *testing.B) {
	benchEach(b, func(b *testing.B, d database) {
		for _, writes := range []bool{false, true} {
			b.Run(fmt.Sprintf("writes=%v", writes), func(b *testing.B) {
				db := d.open(b)
				store := newStore(b, db, d.dialect)
				createEffects(b, db)
				queue := store.Queue("bench", sqlhook.WithWorkers(atATime))
				for n := range b.N {
					require.NoError(b, queue.Enqueue(b.Context(), benchDelivery(n)))
				}
				hooks := newReceiver(b, store)
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				var left atomic.Int64
				left.Store(int64(b.N))
				if writes {
					hooks.Use(store.InTx(nil))
				}
				hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
					if left.Add(-1) == 0 {
						defer cancel()
					}
					if !writes {
						return nil
					}
					tx, err := sqlhook.Tx(ctx)
					if err != nil {
						return err
					}
					return insertEffect(ctx, tx, d.dialect, e.ID)
				})
				b.ResetTimer()
				start := time.Now()
				require.NoError(b, queue.Run(ctx, hooks))
				b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "per_s")
			})
		}
	})
}

// millionText puts a million deliveries into the queue "bench".
var millionText = map[sqlhook.Dialect]string{
	sqlhook.Postgres: `INSERT INTO sonzaihook_queue (namespace, queue, id, due, enqueued, format, ordering, meta, body)
SELECT '', convert_to('bench', 'UTF8'), convert_to('old_' || i, 'UTF8'), i, i, 1, '', convert_to('{}', 'UTF8'),
  convert_to('{"event_type":"agent.mood_change","event_id":"old_' || i || '","data":{}}', 'UTF8')
FROM generate_series(1, 1000000) AS i`,
	sqlhook.SQLite: `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
INSERT INTO sonzaihook_queue (namespace, queue, id, due, enqueued, format, ordering, meta, body)
SELECT x'', CAST('bench' AS BLOB), CAST('old_' || i AS BLOB), i, i, 1, x'', CAST('{}' AS BLOB),
  CAST('{"event_type":"agent.mood_change","event_id":"old_' || i || '","data":{}}' AS BLOB) FROM n`,
	sqlhook.MySQL: `INSERT INTO sonzaihook_queue (namespace, queue, id, due, enqueued, format, ordering, meta, body)
SELECT '', 'bench', CONCAT('old_', seq), seq, seq, 1, '', '{}',
  CONCAT('{"event_type":"agent.mood_change","event_id":"old_', seq, '","data":{}}') FROM seq_1_to_1000000`,
}

// BenchmarkBacklog enqueues, and drains, with nothing and with a million deliveries
// that wait.
func BenchmarkBacklog(b *testing.B) {
	benchEach(b, func(b *testing.B, d database) {
		db := d.open(b)
		store := newStore(b, db, d.dialect)
		queue := store.Queue("bench", sqlhook.WithWorkers(atATime))
		measure := func(b *testing.B, prefix string) {
			b.Run(prefix+" enqueue", func(b *testing.B) {
				concurrently(b, func(n int) error {
					delivery := benchDelivery(n)
					delivery.ID = fmt.Sprint(prefix, b.N, "_", n)
					return queue.Enqueue(b.Context(), delivery)
				})
			})
			b.Run(prefix+" drain", func(b *testing.B) {
				hooks := newReceiver(b, store)
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				var runs atomic.Int64
				hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
					if runs.Add(1) >= int64(b.N)*3/4 { // the run before took some of these ahead
						cancel()
					}
					return nil
				})
				b.ResetTimer()
				start := time.Now()
				require.NoError(b, queue.Run(ctx, hooks))
				b.ReportMetric(float64(runs.Load())/time.Since(start).Seconds(), "per_s")
			})
		}
		measure(b, "empty")
		_, err := db.ExecContext(b.Context(), millionText[d.dialect])
		require.NoError(b, err)
		if d.dialect == sqlhook.SQLite { // one transaction of a million rows is not how they come
			_, err = db.ExecContext(b.Context(), "PRAGMA wal_checkpoint(TRUNCATE)")
			require.NoError(b, err)
		}
		measure(b, "million")
	})
}
