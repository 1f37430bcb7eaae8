//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/checks/internal/fleet"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// world is one run.
type world struct {
	Config
	projects []string
	sim      *simulator.Simulator
	fleet    *fleet.Fleet
	address  string
	events   []string // that happened; of the goroutine that emits

	mu     sync.Mutex
	report Report
}

// register registers every project and saves its first secret.
func (w *world) register(ctx context.Context, platform string) error {
	api, err := sonzaiapi.New(simulator.DefaultAPIKey, sonzaiapi.WithBaseURL(platform))
	if err != nil {
		return err
	}
	for _, p := range w.projects {
		if err := os.MkdirAll(filepath.Join(w.Dir, p), 0o700); err != nil {
			return err
		}
		secret, err := api.Project(p).Webhooks().Register(ctx, string(sonzaihook.EventMessage),
			sonzaiapi.Target{URL: w.address + "/hooks/" + p + "/agent.message"})
		if err != nil {
			return err
		}
		if err := saveSecret(w.Dir, p, sonzaihook.EventMessage, string(secret)); err != nil {
			return err
		}
	}
	return nil
}

// live lets events happen, secrets rotate and instances die, and returns when the
// platform has nothing left to deliver.
func (w *world) live(ctx context.Context) error {
	fleetCtx, endFleet := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- w.fleet.Run(fleetCtx) }()
	defer endFleet()

	busy, enough := context.WithTimeout(ctx, w.For)
	defer enough()
	var wg sync.WaitGroup
	for i := range w.Instances {
		wg.Go(func() { w.rotate(ctx, busy, i, w.Instances) })
	}
	wg.Go(func() { w.forge(busy) })
	err := w.emit(busy)
	wg.Wait()
	if err != nil {
		return err
	}
	patience, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := w.sim.Wait(patience); err != nil && ctx.Err() != nil {
		return err
	}
	endFleet()
	return errors.Join(<-ended, ctx.Err())
}

// emit lets an event happen in some project, again and again.
func (w *world) emit(ctx context.Context) error {
	rng := rand.New(rand.NewPCG(w.Seed, 2))
	for tick := time.NewTicker(w.Every); ; {
		id, err := w.sim.Emit(context.WithoutCancel(ctx), simulator.Event{
			Type: "agent.message", ProjectID: w.projects[rng.IntN(len(w.projects))], AgentID: "agent", Data: map[string]any{"content": "hello"},
		})
		if err != nil {
			return err
		}
		w.events = append(w.events, id)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// rotate rotates one project after another of those whose index is one modulo of. No
// project is rotated twice at a time: which secret is the last would be luck.
func (w *world) rotate(ctx, busy context.Context, one, of int) {
	var own []string
	for i := one; i < len(w.projects); i += of {
		own = append(own, w.projects[i])
	}
	for i := 0; busy.Err() == nil && len(own) > 0; i++ {
		if !w.rotateUntilDone(ctx, own[i%len(own)]) {
			return // what that breaks is seen in the answers
		}
	}
}

// rotateUntilDone asks one instance after another, as some are killed while they rotate.
func (w *world) rotateUntilDone(ctx context.Context, project string) bool {
	for try := range 100 {
		if err := w.rotateOnce(ctx, project); err == nil {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.report.Rotations++
			if try > 0 {
				w.report.Repaired++
			}
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		time.Sleep(50 * time.Millisecond)
	}
	return false
}

// rotateOnce asks some instance to rotate the secret of a project.
func (w *world) rotateOnce(ctx context.Context, project string) error {
	addr := w.fleet.Addr()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/rotate/"+project, nil)
	if err != nil || addr == "" {
		return errors.Join(errors.New("rotation: no instance runs"), err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("rotation: %s", text)
	}
	return nil
}

// forge sends deliveries that nobody has signed.
func (w *world) forge(ctx context.Context) {
	for tick := time.NewTicker(w.Every); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		body := []byte(`{"event_type":"agent.message","event_id":"forged"}`)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.address+"/hooks/"+w.projects[0]+"/agent.message", bytes.NewReader(body))
		if err != nil {
			continue
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set(sonzaihook.SignatureHeader, sonzaihook.Sign(body, "forged", time.Now()))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		w.mu.Lock()
		w.report.Forged[resp.StatusCode]++
		w.mu.Unlock()
	}
}
