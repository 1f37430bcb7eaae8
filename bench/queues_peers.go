package main

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	watermillsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"maragu.dev/goqite"

	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
)

type riverArgs struct {
	ID   string `json:"id"`
	Body string `json:"body"`
}

func (riverArgs) Kind() string { return "delivery" }

type riverWorker struct {
	river.WorkerDefaults[riverArgs]
	ran func()
}

func (w *riverWorker) Work(context.Context, *river.Job[riverArgs]) error {
	w.ran()
	return nil
}

func (b *bench) riverQueue(name string) (*queue, error) {
	pool, err := b.servers.pool(b.ctx)
	if err != nil {
		return absent(name, err)
	}
	driver := riverpgxv5.New(pool)
	quiet := slog.New(slog.DiscardHandler)
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: quiet})
	if err != nil {
		return nil, err
	}
	if _, err := migrator.Migrate(b.ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, err
	}
	inserts, err := river.NewClient(driver, &river.Config{Logger: quiet})
	if err != nil {
		return nil, err
	}
	return &queue{
		name: name,
		enqueue: func(ctx context.Context, n int64) error {
			_, err := inserts.Insert(ctx, riverArgs{ID: "evt_" + strconv.FormatInt(n, 10), Body: string(queueBody(n))}, nil)
			return err
		},
		drain: func(ctx context.Context, ran func()) error {
			workers := river.NewWorkers()
			river.AddWorker(workers, &riverWorker{ran: ran})
			client, err := river.NewClient(driver, &river.Config{
				Logger: quiet, Workers: workers, FetchCooldown: time.Millisecond, FetchPollInterval: 20 * time.Millisecond,
				Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: atATime}},
			})
			if err != nil {
				return err
			}
			inner := context.WithoutCancel(ctx)
			if err := client.Start(inner); err != nil {
				return err
			}
			<-ctx.Done()
			return client.Stop(inner)
		},
	}, nil
}

func (b *bench) watermillQueue(name string) (*queue, error) {
	pool, err := b.servers.pool(b.ctx)
	if err != nil {
		return absent(name, err)
	}
	const topic = "deliveries"
	db := watermillsql.BeginnerFromPgx(pool)
	schema := watermillsql.PostgreSQLQueueSchema{GeneratePayloadType: func(string) string { return "BYTEA" }}
	reads := watermillsql.SubscriberConfig{
		SchemaAdapter: schema, OffsetsAdapter: watermillsql.PostgreSQLQueueOffsetsAdapter{DeleteOnAck: true},
		PollInterval: 10 * time.Millisecond,
	}
	first, err := watermillsql.NewSubscriber(db, reads, watermill.NopLogger{})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(first.SubscribeInitialize(topic), first.Close()); err != nil {
		return nil, err
	}
	publisher, err := watermillsql.NewPublisher(db, watermillsql.PublisherConfig{SchemaAdapter: schema}, watermill.NopLogger{})
	if err != nil {
		return nil, err
	}
	b.servers.atEnd(func() { _ = publisher.Close() })
	return &queue{
		name: name,
		enqueue: func(ctx context.Context, n int64) error {
			m := message.NewMessage("evt_"+strconv.FormatInt(n, 10), queueBody(n))
			m.SetContext(ctx)
			return publisher.Publish(topic, m)
		},
		drain: func(ctx context.Context, ran func()) error {
			subscriber, err := watermillsql.NewSubscriber(db, reads, watermill.NopLogger{})
			if err != nil {
				return err
			}
			messages, err := subscriber.Subscribe(context.WithoutCancel(ctx), topic)
			if err != nil {
				return err
			}
			var reading sync.WaitGroup
			reading.Go(func() {
				for m := range messages {
					ran()
					m.Ack()
				}
			})
			<-ctx.Done()
			time.Sleep(200 * time.Millisecond) // the last batch is deleted after all of it was acknowledged
			err = subscriber.Close()
			reading.Wait()
			return err
		},
	}, nil
}

// goqiteSchema is the table as the documentation of goqite describes it.
const goqiteSchema = `
CREATE TABLE goqite (
  id TEXT PRIMARY KEY DEFAULT ('m_' || lower(hex(randomblob(16)))),
  created TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')),
  updated TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')),
  queue TEXT NOT NULL, body BLOB NOT NULL,
  timeout TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')),
  received INTEGER NOT NULL DEFAULT 0, priority INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TRIGGER goqite_updated_timestamp AFTER UPDATE ON goqite BEGIN
  UPDATE goqite SET updated = strftime('%Y-%m-%dT%H:%M:%fZ') WHERE id = old.id;
END;
CREATE INDEX goqite_queue_priority_created_idx ON goqite (queue, priority DESC, created);`

func (b *bench) goqiteQueue(name string) (*queue, error) {
	db, err := b.servers.open(b.ctx, sqlhook.SQLite)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(b.ctx, goqiteSchema); err != nil {
		return nil, err
	}
	q := goqite.New(goqite.NewOpts{DB: db, Name: "deliveries"})
	work := func(ctx context.Context, ran func()) error {
		for ctx.Err() == nil {
			m, err := q.Receive(context.WithoutCancel(ctx))
			switch {
			case err != nil:
				return err
			case m == nil:
				time.Sleep(time.Millisecond)
				continue
			}
			ran()
			if err := q.Delete(context.WithoutCancel(ctx), m.ID); err != nil {
				return err
			}
		}
		return nil
	}
	return &queue{
		name: name,
		enqueue: func(ctx context.Context, n int64) error {
			return q.Send(ctx, goqite.Message{Body: queueBody(n)})
		},
		drain: func(ctx context.Context, ran func()) error {
			failures := make([]error, atATime)
			var working sync.WaitGroup
			for i := range failures {
				working.Go(func() { failures[i] = work(ctx, ran) })
			}
			working.Wait()
			return errors.Join(failures...)
		},
	}, nil
}
