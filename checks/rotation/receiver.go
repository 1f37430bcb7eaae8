//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/redishook"
	"github.com/sonzaihook/sonzaihook/checks/internal/fleet"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

// receiverEnv is the environment variable with the orders of a receiver process. The
// program starts itself again with it set.
const receiverEnv = "SONZAIHOOK_ROTATION_RECEIVER"

const (
	grace = time.Minute
	lease = 4 * time.Second // for so long the event of a killed instance waits
	// watchEvery is longer than any run of the short form: what the instances learn
	// in time they learn because they are told.
	watchEvery = time.Minute
)

// Points at which an instance can be killed.
const (
	beforeSave = "killed before the new secret was saved"
	afterSave  = "killed after the new secret was saved"
	midRun     = "killed mid-run"
	afterRun   = "killed after the run"
)

// points are the points, in the order in which the table shows them.
var points = []string{beforeSave, afterSave, midRun, afterRun}

// orders is what all receiver processes are told.
type orders struct {
	Redis    string   `json:"redis"`
	Platform string   `json:"platform"`
	Dir      string   `json:"dir"` // with a directory of secrets for each project, and the journals
	Projects []string `json:"projects"`
	Quiet    bool     `json:"quiet"` // the flaw
}

// entry is a line of a journal: a run that began or finished.
type entry struct {
	Event    string `json:"event"`
	Instance int    `json:"instance"`
	Run      int    `json:"run"`
	Finished bool   `json:"finished"`
	At       int64  `json:"at"` // Unix time in nanoseconds
}

// quietStore says that it is in memory, so that nothing is announced through it.
type quietStore struct{ sonzaihook.Store }

// Local says so.
func (quietStore) Local() bool { return true }

// serveReceiver runs a receiver process until its standard input ends, or it kills
// itself at the point that its orders name.
func serveReceiver() error {
	var o orders
	told, err := fleet.Told(receiverEnv, &o)
	if err != nil {
		return err
	}
	client := redis.NewClient(&redis.Options{Addr: o.Redis, ContextTimeoutEnabled: true, PoolSize: 64})
	defer client.Close()
	redisStore, err := redishook.New(client)
	if err != nil {
		return err
	}
	store := sonzaihook.Store(redisStore)
	if o.Quiet {
		store = quietStore{store}
	}
	hooks, err := sonzaihook.New(sonzaihook.Secret("of the tenant, which signs nothing here"),
		sonzaihook.WithStore(store), sonzaihook.WithLease(lease), sonzaihook.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	pass := told.Killer()
	if err := work(hooks, o.Dir, told.ID, pass); err != nil {
		return err
	}
	api, err := sonzaiapi.New(simulator.DefaultAPIKey, sonzaiapi.WithBaseURL(o.Platform))
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	if err := watch(ctx, hooks, o); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /hooks/{project}/{event}", hooks)
	mux.HandleFunc("POST /rotate/{project}", func(w http.ResponseWriter, r *http.Request) {
		project := r.PathValue("project")
		save := func(name sonzaihook.EventType, secret sonzaiapi.Secret) error {
			pass(beforeSave)
			defer pass(afterSave)
			return saveSecret(o.Dir, project, name, string(secret))
		}
		err := upstream.Rotate(r.Context(), hooks.Project(project), api.Project(project).Webhooks(),
			sonzaihook.EventMessage, grace, upstream.WithSecretSink(save))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	return fleet.Serve(mux, hooks.Shutdown)
}

// work registers a callback that notes its beginning and its end in a journal.
func work(hooks *sonzaihook.Receiver, dir string, instance int, pass func(string)) error {
	file, err := os.OpenFile(journalName(dir, instance), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("rotation: journal: %w", err)
	}
	var mu sync.Mutex
	runs := 0
	note := func(e entry) error {
		e.Instance, e.At = instance, time.Now().UnixNano()
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		_, err = file.Write(append(line, '\n')) // one write; a killed process leaves it to the kernel
		return err
	}
	hooks.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		mu.Lock()
		runs++
		run := runs
		mu.Unlock()
		if err := note(entry{Event: e.ID, Run: run}); err != nil {
			return err
		}
		time.Sleep(2 * time.Millisecond)
		pass(midRun)
		if err := note(entry{Event: e.ID, Run: run, Finished: true}); err != nil {
			return err
		}
		pass(afterRun)
		return nil
	})
	return nil
}

// watch installs the secrets of the projects, and goes on to watch them.
func watch(ctx context.Context, hooks *sonzaihook.Receiver, o orders) error {
	for _, project := range o.Projects {
		dir := os.DirFS(filepath.Join(o.Dir, project))
		secrets, err := sonzaihook.SecretsFromDir(dir)
		if err != nil {
			return err
		}
		if err := hooks.Project(project).SetSecrets(secrets); err != nil {
			return err
		}
		source := func(context.Context) (sonzaihook.Secrets, error) { return sonzaihook.SecretsFromDir(dir) }
		go func() {
			err := upstream.Watch(ctx, hooks.Project(project), watchEvery, source, grace, upstream.WithLogger(slog.New(slog.DiscardHandler)))
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}()
	}
	return nil
}

// saveSecret puts a secret before those of its file, in one step, and keeps the last
// three: an instance that starts now has to verify what is under way.
func saveSecret(dir, project string, name sonzaihook.EventType, secret string) error {
	file := filepath.Join(dir, project, string(name))
	old, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	lines := append([]string{secret}, strings.Fields(string(old))...)
	temporary := filepath.Join(dir, project, "."+secret)
	if err := os.WriteFile(temporary, []byte(strings.Join(lines[:min(len(lines), 3)], "\n")+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}

func journalName(dir string, id int) string {
	return filepath.Join(dir, fmt.Sprintf("journal-%d.jsonl", id))
}
