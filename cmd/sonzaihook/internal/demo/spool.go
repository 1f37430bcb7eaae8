package demo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// spool is a small queue: a folder with a file for each delivery. It shows what a
// queue behind a receiver has to do; sqlhook and watermillhook do it for production.
type spool struct{ folder string }

// item is what is kept of a delivery: never its signature.
type item struct {
	ID       string
	Type     sonzaihook.EventType
	Name     string
	Project  string
	SignedAt time.Time
	Trace    map[string]string
	Body     []byte
}

// put returns nil once the file is whole, and only then the platform hears 202.
// A copy has the same identity, and so the same file.
func (q spool) put(_ context.Context, d *sonzaihook.Delivery) error {
	data, err := json.Marshal(item{d.ID, d.Type, d.Name, d.Project, d.SignedAt, d.Trace, d.Body})
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(q.folder, ".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }() // after the renaming there is none
	_, err = temp.Write(data)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	key := sha256.Sum256([]byte(d.ID))
	return os.Rename(temp.Name(), filepath.Join(q.folder, hex.EncodeToString(key[:])+".json"))
}

// run tries each delivery once. One that should be tried again stays.
func (q spool) run(ctx context.Context, hooks *sonzaihook.Receiver) error {
	files, err := filepath.Glob(filepath.Join(q.folder, "*.json"))
	if err != nil {
		return err
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var i item
		if err := json.Unmarshal(data, &i); err != nil {
			return err
		}
		out := hooks.Dispatch(ctx, &sonzaihook.Delivery{
			ID: i.ID, Type: i.Type, Name: i.Name, Project: i.Project, SignedAt: i.SignedAt, Trace: i.Trace,
			Source: sonzaihook.SourceBroker, Body: i.Body, // from a queue, so it is not handed off again
		})
		if _, again := out.Retry(); again {
			continue
		}
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}
