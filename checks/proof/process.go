//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sonzaihook/sonzaihook/adapters/redishook"
	"github.com/sonzaihook/sonzaihook/checks/internal/fleet"
)

// ReceiverEnv is the environment variable with the orders of a receiver process.
// [Run] starts this program again with it set, and main then calls
// [ServeReceiver].
const ReceiverEnv = "SONZAIHOOK_PROOF_RECEIVER"

// orders is what all receiver processes are told.
type orders struct {
	Seed  uint64        `json:"seed"`
	Redis string        `json:"redis"`
	Dir   string        `json:"dir"`
	Lease time.Duration `json:"lease"`
	Flaw  Flaw          `json:"flaw"`
	Fail  float64       `json:"fail"`
	Hang  time.Duration `json:"hang"`
}

// ServeReceiver runs a receiver process. It serves until its standard input ends, or
// kills itself at the point that its orders name.
func ServeReceiver() error {
	var o orders
	told, err := fleet.Told(ReceiverEnv, &o)
	if err != nil {
		return err
	}
	file, err := openJournal(o.Dir, told.ID)
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
		id: told.ID, lease: o.Lease, store: store, journal: file, flaw: o.Flaw, fail: o.Fail, hang: o.Hang,
		rng: randomFor(o.Seed, "work", told.ID), pass: told.Killer(),
	}
	hooks, handler, err := in.receiver()
	if err != nil {
		return err
	}
	return fleet.Serve(handler, hooks.Shutdown)
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
