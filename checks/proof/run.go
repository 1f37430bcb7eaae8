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
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/checks/internal/fleet"
	"github.com/sonzaihook/sonzaihook/internal/redisserver"
)

// Config is the size of a run and the rates of its faults.
type Config struct {
	Seed        uint64
	Events      int
	Copies      int           // of each event
	Receivers   int           // processes
	Spread      time.Duration // over which the events are sent for the first time
	Lease       time.Duration
	Kills       int           // of receivers
	RedisFaults int           // kills, restarts and stalls of redis-server, and cuts of its connections
	Cuts        float64       // the share of attempts that the platform breaks off
	Fail        float64       // the share of runs that fail
	Hang        time.Duration // how long past its deadline a run hangs; 0: none does
	Flaw        Flaw
	Dir         string // for journals and the files of redis-server
	Progress    func(taken, copies int)
}

// Report is the result of a run.
type Report struct {
	Seed      uint64         `json:"seed"`
	Events    int            `json:"events"`
	Copies    int            `json:"copies"` // of each event
	Receivers int            `json:"receivers"`
	Attempts  int            `json:"attempts"` // requests of the platform
	Answers   map[string]int `json:"answers"`  // by code; "" is a connection that broke
	Faults    map[string]int `json:"faults"`
	Seconds   float64        `json:"seconds"`
	Verdict
}

// Run runs the proof with processes. The error is about the machinery; what the
// receivers did is in the report.
func Run(ctx context.Context, c Config) (Report, error) {
	began := time.Now()
	server, err := redisserver.Start(ctx, c.Dir)
	if err != nil {
		return Report{}, err
	}
	defer func() { server.Kill() }()
	events := drawEvents(c.Seed, c.Events)
	h := History{
		Events: namesOf(events), Lease: c.Lease,
		Faultless: c.Kills+c.RedisFaults == 0 && c.Cuts+c.Fail == 0,
	}
	receivers, err := fleet.New(ReceiverEnv, c.Receivers, c.Seed, c.kills(), orders{
		Seed: c.Seed, Redis: server.Addr(), Dir: c.Dir, Lease: c.Lease, Flaw: c.Flaw, Fail: c.Fail, Hang: c.Hang,
	})
	if err != nil {
		return Report{}, err
	}
	net := &network{fleet: receivers, cuts: c.Cuts, client: &http.Client{
		Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 256},
	}}
	p := &platform{seed: c.Seed, events: events, copies: c.Copies, spread: c.Spread, send: net.send}
	if c.Progress != nil {
		p.told = func(taken int) { c.Progress(taken, c.Events*c.Copies) }
	}
	redisFaults, err := underFaults(ctx, c, server, receivers, p)
	if err != nil {
		return Report{}, err
	}
	h.Answers, h.Faults = p.answers, slices.Concat(deaths(receivers), redisFaults, net.faults)
	for id := range receivers.Last() {
		entries, err := readJournal(c.Dir, id+1)
		if err != nil {
			return Report{}, err
		}
		h.Entries = append(h.Entries, entries...)
	}
	return report(c, h, time.Since(began)), nil
}

// kills has every point as often as every other.
func (c Config) kills() []fleet.Kill {
	rng := randomFor(c.Seed, "kills")
	var kills []fleet.Kill
	for i := range c.Kills {
		kills = append(kills, fleet.Kill{Point: Points()[i%len(Points())], After: 2 + rng.IntN(12)})
	}
	rng.Shuffle(len(kills), func(i, j int) { kills[i], kills[j] = kills[j], kills[i] })
	return kills
}

// deaths are the kills that took place.
func deaths(receivers *fleet.Fleet) []Fault {
	var faults []Fault
	for id, death := range receivers.Killed() {
		faults = append(faults, Fault{Kind: death.Point, Instance: id, From: death.At, Until: death.At})
	}
	return faults
}

// underFaults runs the platform to its end while receivers and redis-server fail.
func underFaults(ctx context.Context, c Config, server *redisserver.Server, receivers *fleet.Fleet, p *platform) ([]Fault, error) {
	fleetCtx, endFleet := context.WithCancel(ctx)
	defer endFleet()
	platformCtx, endPlatform := context.WithCancel(ctx)
	defer endPlatform()
	var wg sync.WaitGroup
	var fleetErr error
	wg.Go(func() {
		fleetErr = receivers.Run(fleetCtx)
		endPlatform() // without receivers there is nothing to wait for
	})
	var faults []Fault
	var disturbErr error
	wg.Go(func() {
		faults, disturbErr = disturb(platformCtx, server, c)
		if disturbErr != nil {
			endPlatform()
		}
	})
	p.run(platformCtx)
	endPlatform()
	endFleet()
	wg.Wait()
	return faults, errors.Join(disturbErr, fleetErr, ctx.Err())
}

// disturb makes redis-server fail, each way as often as the others, evenly over
// the time in which events are sent.
func disturb(ctx context.Context, server *redisserver.Server, c Config) ([]Fault, error) {
	rng := randomFor(c.Seed, "redis")
	kinds := []string{RedisStalled, RedisKilled, RedisCut, RedisStopped}
	var faults []Fault
	for i := range c.RedisFaults {
		gap := c.Spread / time.Duration(c.RedisFaults+1)
		pause(ctx, gap/2+time.Duration(rng.Int64N(int64(gap))))
		if ctx.Err() != nil {
			break
		}
		f := Fault{Kind: kinds[i%len(kinds)], From: time.Now()}
		if err := strike(ctx, server, f.Kind, time.Duration(rng.Int64N(int64(c.Lease+c.Lease/2)))); err != nil {
			return faults, err
		}
		f.Until = time.Now()
		faults = append(faults, f)
	}
	return faults, nil
}

func strike(ctx context.Context, server *redisserver.Server, kind string, d time.Duration) error {
	ctx = context.WithoutCancel(ctx) // what was broken is mended
	switch kind {
	case RedisStalled:
		if err := server.Stall(); err != nil {
			return err
		}
		time.Sleep(d)
		return server.Resume()
	case RedisKilled:
		server.Kill()
		return server.Restart(ctx)
	case RedisStopped:
		server.Stop()
		return server.Restart(ctx)
	}
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
	defer client.Close()
	return client.ClientKillByFilter(ctx, "TYPE", "normal", "SKIPME", "yes").Err()
}

// network carries deliveries to receivers, and breaks some connections.
type network struct {
	fleet  *fleet.Fleet
	client *http.Client
	cuts   float64

	mu     sync.Mutex
	faults []Fault
}

func (n *network) send(ctx context.Context, rng *rand.Rand, e *event, attempt int) Answer {
	a := Answer{Sent: time.Now()}
	cut := time.Duration(0)
	if rng.Float64() < n.cuts {
		cut = time.Duration(1 + rng.Int64N(int64(30*time.Millisecond)))
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cut)
		defer cancel()
	}
	a.Status, a.Code = n.post(ctx, n.fleet.Any(rng), e, attempt)
	a.Heard = time.Now()
	if cut > 0 && a.Status == 0 {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.faults = append(n.faults, Fault{Kind: ClientCut, From: a.Heard, Until: a.Heard})
	}
	return a
}

// post returns a zero status if no whole answer was heard.
func (n *network) post(ctx context.Context, addr string, e *event, attempt int) (status int, code string) {
	raw, header := e.delivery(attempt)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/", bytes.NewReader(raw))
	if err != nil || addr == "" {
		return 0, ""
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(sonzaihook.SignatureHeader, header)
	res, err := n.client.Do(req)
	if err != nil {
		return 0, ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	var answer struct{ Code string }
	if err != nil || json.Unmarshal(text, &answer) != nil {
		return 0, ""
	}
	return res.StatusCode, answer.Code
}

func report(c Config, h History, took time.Duration) Report {
	r := Report{
		Seed: c.Seed, Events: c.Events, Copies: c.Copies, Receivers: c.Receivers,
		Attempts: len(h.Answers), Answers: map[string]int{}, Faults: map[string]int{},
		Seconds: took.Seconds(), Verdict: Check(h),
	}
	for _, a := range h.Answers {
		r.Answers[a.Code]++
	}
	for _, f := range h.Faults {
		r.Faults[f.Kind]++
	}
	return r
}

// Kills returns how many receivers were killed.
func (r Report) Kills() int {
	n := 0
	for _, point := range Points() {
		n += r.Faults[point]
	}
	return n
}

// Held reports whether the promise held, as an error that says where not.
func (r Report) Held() error {
	if len(r.Violations) == 0 {
		return nil
	}
	shown := r.Violations[:min(len(r.Violations), 10)]
	return fmt.Errorf("proof: seed %d: %d violations: %q", r.Seed, len(r.Violations), shown)
}
