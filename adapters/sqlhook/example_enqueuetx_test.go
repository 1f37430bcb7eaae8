package sqlhook_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
)

// A delivery is put in together with a row of the program's own: both are committed,
// or neither is, and the delivery is answered 503.
func ExampleQueue_EnqueueTx() {
	ctx := context.Background()
	db, store, end := openExample(ctx)
	defer end()
	if _, err := db.ExecContext(ctx, "CREATE TABLE arrivals (type TEXT)"); err != nil {
		log.Fatal(err)
	}
	queue := store.Queue("sonzai")
	hooks, err := sonzaihook.New(sonzaihook.Secret(exampleSecret), quiet, sonzaihook.WithStore(store),
		sonzaihook.WithHandOff(func(ctx context.Context, d *sonzaihook.Delivery) error {
			return arrive(ctx, db, queue, d)
		}))
	if err != nil {
		log.Fatal(err)
	}
	post(hooks, "evt_1", "content")
	if _, err := db.ExecContext(ctx, "DROP TABLE arrivals"); err != nil {
		log.Fatal(err)
	}
	post(hooks, "evt_2", "curious")
	stats, err := queue.Stats(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(stats.Waiting, "waits")
	// Output:
	// 202 {"code":"queued"}
	// 503 {"type":"about:blank","title":"Service Unavailable","status":503,"code":"queue_unavailable"}
	// 1 waits
}

func arrive(ctx context.Context, db *sql.DB, queue *sqlhook.Queue, d *sonzaihook.Delivery) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if err := queue.EnqueueTx(ctx, tx, d); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO arrivals (type) VALUES (?)", string(d.Type)); err != nil {
		return err
	}
	return tx.Commit()
}
