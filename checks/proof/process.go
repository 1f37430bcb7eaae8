//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sonzaihook/sonzaihook/adapters/redishook"
)

// ReceiverEnv is the environment variable with the orders of a receiver process.
// [Run] starts this program again with it set, and main then calls
// [ServeReceiver].
const ReceiverEnv = "SONZAIHOOK_PROOF_RECEIVER"

// orders is the configuration of a receiver process.
type orders struct {
	ID    int           `json:"id"`
	Seed  uint64        `json:"seed"`
	Redis string        `json:"redis"`
	Dir   string        `json:"dir"`
	Lease time.Duration `json:"lease"`
	Flaw  Flaw          `json:"flaw"`
	Fail  float64       `json:"fail"`
	Hang  time.Duration `json:"hang"`
	Point string        `json:"point"` // where it is killed; empty: nowhere
	After int           `json:"after"` // how many passes of the point it survives
}

// ServeReceiver runs a receiver process. It serves until SIGTERM, or kills itself
// with SIGKILL at the point that its orders name.
func ServeReceiver() error {
	var o orders
	if err := json.Unmarshal([]byte(os.Getenv(ReceiverEnv)), &o); err != nil {
		return fmt.Errorf("proof: orders: %w", err)
	}
	file, err := openJournal(o.Dir, o.ID)
	if err != nil {
		return err
	}
	client := redis.NewClient(&redis.Options{
		Addr: o.Redis, ContextTimeoutEnabled: true, DialTimeout: time.Second, PoolSize: 64,
	})
	defer client.Close()
	store, err := redishook.New(client)
	if err != nil {
		return err
	}
	in := &instance{
		id: o.ID, lease: o.Lease, store: store, journal: file, flaw: o.Flaw, fail: o.Fail, hang: o.Hang,
		rng: randomFor(o.Seed, "work", o.ID), pass: killer(o.Point, o.After),
	}
	hooks, handler, err := in.receiver()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("proof: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	told, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		<-told.Done()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := hooks.Shutdown(ctx)
		_ = server.Shutdown(ctx)
		ended <- err
	}()
	fmt.Println(listener.Addr()) // the starter reads it
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return fmt.Errorf("proof: %w", err)
	}
	return <-ended
}

// killer returns a function that kills the process when it has passed a point so
// many times.
func killer(point string, after int) func(string) {
	var mu sync.Mutex
	return func(at string) {
		if at != point {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if after--; after < 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // nothing after this point may happen
		}
	}
}

// fileJournal is a file to which entries are appended. What must be safe is
// synced before write returns.
type fileJournal struct{ file *os.File }

func journalName(dir string, id int) string {
	return filepath.Join(dir, fmt.Sprintf("journal-%d.jsonl", id))
}

func openJournal(dir string, id int) (*fileJournal, error) {
	file, err := os.OpenFile(journalName(dir, id), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("proof: journal: %w", err)
	}
	return &fileJournal{file}, nil
}

func (j *fileJournal) write(e Entry, sync bool) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("proof: journal: %w", err)
	}
	if _, err := j.file.Write(append(line, '\n')); err != nil { // one write, so that lines stay whole
		return fmt.Errorf("proof: journal: %w", err)
	}
	if !sync {
		return nil
	}
	return j.file.Sync()
}

// readJournal returns the entries of one instance; none if it died before it
// could write.
func readJournal(dir string, id int) ([]Entry, error) {
	file, err := os.Open(journalName(dir, id))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("proof: journal: %w", err)
	}
	defer file.Close()
	var entries []Entry
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var e Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("proof: journal of instance %d: %w", id, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}
