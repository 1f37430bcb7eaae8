//go:build unix

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"time"

	"github.com/sonzaihook/sonzaihook/checks/internal/fleet"
	"github.com/sonzaihook/sonzaihook/internal/redisserver"
	"github.com/sonzaihook/sonzaihook/simulator"
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
