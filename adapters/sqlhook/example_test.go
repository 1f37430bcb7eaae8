package sqlhook_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
)

const exampleSecret = "whsec_example"

// quiet keeps what a receiver logs out of the examples' output.
var quiet = sonzaihook.WithLogger(slog.New(slog.DiscardHandler))

// openExample opens a SQLite file in a folder that end deletes, with the table moods
// and a store's.
func openExample(ctx context.Context) (db *sql.DB, store *sqlhook.Store, end func()) {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	db, err = sql.Open("sqlite", "file:"+filepath.Join(dir, "hooks.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := db.ExecContext(ctx, "CREATE TABLE moods (agent TEXT, label TEXT)"); err != nil {
		log.Fatal(err)
	}
	if store, err = sqlhook.New(db, sqlhook.SQLite); err != nil {
		log.Fatal(err)
	}
	if err := store.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	return db, store, func() {
		_ = db.Close()
		_ = os.RemoveAll(dir)
	}
}

// countMoods returns how many rows callbacks have written.
func countMoods(ctx context.Context, db *sql.DB) (n int) {
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM moods").Scan(&n); err != nil {
		log.Fatal(err)
	}
	return n
}

// post does what the platform does: it signs an event and posts it.
func post(handler http.Handler, id, label string) {
	body := fmt.Sprintf(`{"event_type":"agent.mood_change","event_id":%q,"agent_id":"luna","data":{"label":%q}}`, id, label)
	req := httptest.NewRequest(http.MethodPost, "/webhooks/sonzai", strings.NewReader(body))
	req.Header.Set(sonzaihook.SignatureHeader, sonzaihook.Sign([]byte(body), exampleSecret, time.Now()))
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, req)
	fmt.Print(answer.Code, " ", answer.Body)
}

// A store in a SQLite file recognises copies, also after a restart.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "hooks.db")
	for range 2 { // the second time after a restart
		db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
		if err != nil {
			log.Fatal(err)
		}
		store, err := sqlhook.New(db, sqlhook.SQLite)
		if err != nil {
			log.Fatal(err)
		}
		if err := store.Migrate(ctx); err != nil {
			log.Fatal(err)
		}
		if err := store.Check(ctx); err != nil {
			log.Fatal(err)
		}
		hooks, err := sonzaihook.New(sonzaihook.Secret(exampleSecret), sonzaihook.WithStore(store), quiet)
		if err != nil {
			log.Fatal(err)
		}
		hooks.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
			fmt.Println(e.AgentID, "feels", e.Data.Label)
			return nil
		})
		post(hooks, "evt_1", "content")
		_ = db.Close()
	}
	// Output:
	// luna feels content
	// 200 {"code":"processed"}
	// 200 {"code":"duplicate"}
}
