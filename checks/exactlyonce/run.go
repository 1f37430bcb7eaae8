//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/checks/internal/fleet"
)

// Config is the size of a run.
type Config struct {
	Seed      uint64
	Database  string // one of Databases
	Queue     bool   // deliveries go through the queue
	Events    int
	Copies    int // of each event
	Instances int
	Spread    time.Duration // over which the events are sent for the first time
	Lease     time.Duration
	Kills     int      // of processes
	Points    []string // at which they are killed; nil: at all
	Freezes   int      // of processes, for longer than a lease
	Crashes   int      // of the database
	Flaw      Flaw
	Poison    int // so many of the events kill each process that runs them
	Dir       string
	Progress  func(taken, copies int)
}

// Report is the result of a run. All is well if Lost and Doubled are zero.
type Report struct {
	Seed     uint64         `json:"seed"`
	Database string         `json:"database"`
	Queue    bool           `json:"queue"`
	Events   int            `json:"events"`
	Copies   int            `json:"copies"`
	Attempts int            `json:"attempts"`
	Answers  map[string]int `json:"answers"` // by code; "" is one that broke
	Kills    map[string]int `json:"kills"`   // by point
	Freezes  int            `json:"freezes"`
	Crashes  int            `json:"crashes"`
	Rows     int            `json:"rows"`
	Lost     int            `json:"lost"`    // events that were answered 2xx and have no row
	Dead     int            `json:"dead"`    // events that the queue has given up and keeps
	Doubled  int            `json:"doubled"` // rows beyond the first of an event
	Refused  int            `json:"refused"` // final answers that were not 2xx
	Seconds  float64        `json:"seconds"`
}

// Held returns an error that says how the promise was broken.
func (r Report) Held() error {
	if r.Lost+r.Doubled+r.Refused == 0 {
		return nil
	}
	return fmt.Errorf("exactlyonce: %s, seed %d: %d events lost, %d rows too many, %d deliveries refused for good", r.Database, r.Seed, r.Lost, r.Doubled, r.Refused)
}

// Run runs the check. The error is about the machinery; what the receivers did is in
// the report.
func Run(ctx context.Context, c Config) (Report, error) {
	began := time.Now()
	server, dsn, err := start(ctx, c.Database, c.Dir)
	if err != nil {
		return Report{}, err
	}
	if server != nil {
		defer server.Stop()
	}
	db, store, err := open(c.Database, dsn)
	if err != nil {
		return Report{}, err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, createEffects); err != nil {
		return Report{}, err
	}
	if err := store.Migrate(ctx); err != nil {
		return Report{}, err
	}
	processes, err := fleet.New(receiverEnv, c.Instances, c.Seed, c.kills(), orders{
		Database: c.Database, DSN: dsn, Lease: c.Lease, Queue: c.Queue, Flaw: c.Flaw, Poison: c.poison(),
	})
	if err != nil {
		return Report{}, err
	}
	processes.Mortal = c.Poison > 0
	w := &world{Config: c, fleet: processes, server: server, client: &http.Client{
		Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256},
	}}
	w.report = Report{Seed: c.Seed, Database: c.Database, Queue: c.Queue, Events: c.Events, Copies: c.Copies, Answers: map[string]int{}, Kills: map[string]int{}}
	settled := func(ctx context.Context) (bool, error) {
		if !c.Queue {
			return true, nil
		}
		s, err := store.Queue("events").Stats(ctx)
		return err == nil && s.Waiting+s.Running == 0, nil
	}
	if err := w.live(ctx, settled); err != nil {
		return Report{}, err
	}
	rows, err := countEffects(ctx, db)
	if err != nil {
		return Report{}, err
	}
	if c.Queue {
		stats, err := store.Queue("events").Stats(ctx)
		if err != nil {
			return Report{}, err
		}
		w.report.Dead = stats.Dead
	}
	w.judge(rows)
	w.report.Seconds = time.Since(began).Seconds()
	return w.report, nil
}

// poison returns the names of the events that kill their process, spread over all.
func (c Config) poison() []string {
	var names []string
	for i := range c.Poison {
		names = append(names, eventName((i+1)*c.Events/(c.Poison+1)))
	}
	return names
}

// kills has each point as often as the others.
func (c Config) kills() []fleet.Kill {
	rng := rand.New(rand.NewPCG(c.Seed, 3))
	all := c.Points
	if all == nil {
		all = points(c.Queue)
	}
	var kills []fleet.Kill
	for i := range c.Kills {
		kills = append(kills, fleet.Kill{Point: all[i%len(all)], After: 2 + rng.IntN(20)})
	}
	rng.Shuffle(len(kills), func(i, j int) { kills[i], kills[j] = kills[j], kills[i] })
	return kills
}

// world is one run.
type world struct {
	Config
	fleet  *fleet.Fleet
	server server
	client *http.Client
	url    string

	mu     sync.Mutex
	report Report
	taken  int
}

// live sends everything under faults, and returns when it is taken and settled.
func (w *world) live(ctx context.Context, settled func(context.Context) (bool, error)) error {
	balancer := httptest.NewServer(w.fleet.Balancer())
	defer balancer.Close()
	w.url = balancer.URL
	fleetCtx, endFleet := context.WithCancel(ctx)
	defer endFleet()
	ended := make(chan error, 1)
	go func() { ended <- w.fleet.Run(fleetCtx) }()

	faulty, wellAgain := context.WithCancel(ctx)
	var faults sync.WaitGroup
	var crash error
	faults.Go(func() { w.freeze(faulty) })
	faults.Go(func() { crash = w.crash(faulty) })
	w.send(ctx)
	wellAgain()
	faults.Wait()
	if crash != nil {
		return crash
	}
	for deadline := time.Now().Add(2 * time.Minute); ; {
		done, err := settled(ctx)
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if done {
			break
		}
		if time.Now().After(deadline) {
			break // what is left is counted as lost
		}
		time.Sleep(100 * time.Millisecond)
	}
	endFleet()
	return <-ended
}

// send is the platform: it sends each copy again until it hears a final answer.
func (w *world) send(ctx context.Context) {
	var wg sync.WaitGroup
	for i := range w.Events {
		rng := rand.New(rand.NewPCG(w.Seed, uint64(100+i)))
		at := time.Duration(rng.Int64N(int64(w.Spread)))
		for range w.Copies {
			delay := at + time.Duration(rng.Int64N(int64(50*time.Millisecond)))
			wg.Go(func() {
				time.Sleep(delay)
				for wait := 100 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, 2*time.Second) {
					if w.sendOnce(ctx, i) {
						break
					}
					time.Sleep(wait/2 + rand.N(wait))
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				if w.taken++; w.Progress != nil {
					w.Progress(w.taken, w.Events*w.Copies)
				}
			})
		}
	}
	wg.Wait()
}

func eventName(i int) string { return fmt.Sprintf("evt_%06d", i) }

// sendOnce reports whether the answer was final.
func (w *world) sendOnce(ctx context.Context, i int) bool {
	body := fmt.Appendf(nil, `{"event_type":"agent.message","event_id":%q,"agent_id":"luna","data":{"content":"hello"}}`, eventName(i))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(sonzaihook.SignatureHeader, sonzaihook.Sign(body, secret, time.Now()))
	var answer struct{ Code string }
	resp, err := w.client.Do(req)
	status := 0
	if err == nil {
		status = resp.StatusCode
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
		_ = resp.Body.Close()
		_ = json.Unmarshal(text, &answer)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.report.Attempts++
	w.report.Answers[answer.Code]++
	if status >= 300 && status < 500 {
		w.report.Refused++
	}
	return status >= 200 && status < 500
}

// freeze stops processes for longer than a lease, evenly over the time of sending.
func (w *world) freeze(ctx context.Context) {
	rng := rand.New(rand.NewPCG(w.Seed, 4))
	for range w.Freezes {
		pause(ctx, w.Spread/time.Duration(w.Freezes+1))
		if ctx.Err() != nil {
			return
		}
		if w.fleet.Freeze(w.Lease + w.Lease/4 + time.Duration(rng.Int64N(int64(w.Lease/2)))) {
			w.report.Freezes++
		}
	}
}

// crash kills and restarts the database, evenly over the time of sending.
func (w *world) crash(ctx context.Context) error {
	if w.server == nil {
		return nil
	}
	for range w.Crashes {
		pause(ctx, w.Spread/time.Duration(w.Crashes+1))
		if ctx.Err() != nil {
			return nil
		}
		w.server.Kill()
		w.report.Crashes++
		if err := w.server.Restart(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// judge compares the rows with the events.
func (w *world) judge(rows map[string]int) {
	r := &w.report
	for _, death := range w.fleet.Killed() {
		r.Kills[death.Point]++
	}
	poison := w.poison()
	for i := range w.Events {
		n := rows[eventName(i)]
		r.Rows += n
		if n == 0 && !slices.Contains(poison, eventName(i)) {
			r.Lost++
		}
		r.Doubled += max(0, n-1)
	}
}
