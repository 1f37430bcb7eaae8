//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/checks/internal/fleet"
	"github.com/sonzaihook/sonzaihook/internal/redisserver"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// Config is the size of a run.
type Config struct {
	Seed      uint64
	Projects  int
	Instances int
	For       time.Duration // for how long events happen and secrets rotate
	Every     time.Duration // between two events
	Kills     int
	Quiet     bool // the flaw: instances announce nothing
	Dir       string
}

// Report is the result of a run. All is well if Refused, Lost, Twice and Believed
// are zero.
type Report struct {
	Seed      uint64         `json:"seed"`
	Projects  int            `json:"projects"`
	Instances int            `json:"instances"`
	Events    int            `json:"events"`
	Attempts  int            `json:"attempts"`
	Answers   map[int]int    `json:"answers"` // by status, of what the platform signed
	Rotations int            `json:"rotations"`
	Repaired  int            `json:"repaired"` // rotations that took more than one call
	Kills     map[string]int `json:"kills"`
	Forged    map[int]int    `json:"forged"` // answers by status
	Refused   int            `json:"refused"`
	Lost      int            `json:"lost"`
	Twice     int            `json:"twice"`
	Reruns    int            `json:"reruns"` // of what an instance had finished that was killed then
	Believed  int            `json:"believed"`
	Seconds   float64        `json:"seconds"`
}

// Held returns an error that says how the promise was broken.
func (r Report) Held() error {
	if r.Refused+r.Lost+r.Twice+r.Believed == 0 {
		return nil
	}
	return fmt.Errorf("rotation: seed %d: %d good deliveries refused for good, %d events lost, %d run twice, %d forged deliveries believed",
		r.Seed, r.Refused, r.Lost, r.Twice, r.Believed)
}

// Run runs the check. The error is about the machinery; what the receivers did is in
// the report.
func Run(ctx context.Context, c Config) (Report, error) {
	began := time.Now()
	server, err := redisserver.Start(ctx, c.Dir)
	if err != nil {
		return Report{}, err
	}
	defer func() { server.Kill() }()
	w := &world{Config: c, report: Report{
		Seed: c.Seed, Projects: c.Projects, Instances: c.Instances, Kills: map[string]int{}, Answers: map[int]int{}, Forged: map[int]int{},
	}}
	for i := range c.Projects {
		w.projects = append(w.projects, fmt.Sprintf("project-%02d", i))
	}
	w.sim, err = simulator.New(simulator.WithProjects(w.projects...), simulator.WithHistory(1_000_000), simulator.WithInsecureURLs(),
		simulator.WithAttempts(60, 100*time.Millisecond, time.Second))
	if err != nil {
		return Report{}, err
	}
	defer w.sim.Close()
	platform := httptest.NewServer(w.sim)
	defer platform.Close()
	w.fleet, err = fleet.New(receiverEnv, c.Instances, c.Seed, c.kills(),
		orders{Redis: server.Addr(), Platform: platform.URL, Dir: c.Dir, Projects: w.projects, Quiet: c.Quiet})
	if err != nil {
		return Report{}, err
	}
	balancer := httptest.NewServer(w.fleet.Balancer())
	defer balancer.Close()
	w.address = balancer.URL
	if err := w.register(ctx, platform.URL); err != nil {
		return Report{}, err
	}
	if err := w.live(ctx); err != nil {
		return Report{}, err
	}
	w.report.Seconds = time.Since(began).Seconds()
	return w.report, w.judge()
}

// kills has each point as often as the others. The points of a rotation are passed
// once in two seconds, those of a run many times.
func (c Config) kills() []fleet.Kill {
	rng := rand.New(rand.NewPCG(c.Seed, 3))
	var kills []fleet.Kill
	for i := range c.Kills {
		k := fleet.Kill{Point: points[i%len(points)], After: rng.IntN(3)}
		if k.Point == midRun || k.Point == afterRun {
			k.After = 20 + rng.IntN(200)
		}
		kills = append(kills, k)
	}
	return kills
}

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

// judge compares the journals with the platform's log.
func (w *world) judge() error {
	r := &w.report
	r.Events = len(w.events)
	for _, point := range w.fleet.Killed() {
		r.Kills[point]++
	}
	for status, n := range r.Forged {
		if status < 300 {
			r.Believed += n
		}
	}
	for _, p := range w.projects {
		for _, a := range w.sim.Attempts(p, string(sonzaihook.EventMessage)) {
			r.Attempts++
			r.Answers[a.Code]++
			if a.Code >= 300 && a.Code < 500 {
				r.Refused++
			}
		}
	}
	finished := map[string][]int{} // instances, by event
	for id := range w.fleet.Last() {
		entries, err := readJournal(w.Dir, id+1)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.Finished {
				finished[e.Event] = append(finished[e.Event], e.Instance)
			}
		}
	}
	for _, event := range w.events {
		by := finished[event]
		if len(by) == 0 {
			r.Lost++
			continue
		}
		for _, instance := range by[:len(by)-1] {
			if _, killed := w.fleet.Killed()[instance]; killed {
				r.Reruns++
			} else {
				r.Twice++
			}
		}
	}
	return nil
}

// readJournal returns the entries of one instance.
func readJournal(dir string, id int) ([]entry, error) {
	file, err := os.Open(journalName(dir, id))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("rotation: journal: %w", err)
	}
	defer file.Close()
	var entries []entry
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var e entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("rotation: journal of instance %d: %w", id, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// statuses returns "200 × 1234, 503 × 5", in order.
func statuses(n map[int]int) string {
	var out []byte
	for _, status := range slices.Sorted(maps.Keys(n)) {
		if len(out) > 0 {
			out = append(out, ", "...)
		}
		name := fmt.Sprint(status)
		if status == 0 {
			name = "no answer"
		}
		out = fmt.Appendf(out, "%s x %d", name, n[status])
	}
	return string(out)
}
