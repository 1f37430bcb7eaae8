package sqlhook_test

import (
	"context"
	"fmt"
	"log"
)

// Sweep deletes what has expired; here nothing has. Call it every minute or so, as
// from a ticker: nothing else does it.
func ExampleStore_Sweep() {
	ctx := context.Background()
	_, store, end := openExample(ctx)
	defer end()
	deleted, err := store.Sweep(ctx)
	if err != nil {
		log.Print("not swept: ", err) // the next call catches up
	}
	fmt.Println(deleted, "deleted")
	// Output: 0 deleted
}
