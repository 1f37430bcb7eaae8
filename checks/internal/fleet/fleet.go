//go:build unix

// Package fleet runs receiver processes for a check, kills them at points that they
// pass, stops them for a while, and stands before them as a load balancer.
//
// A check starts itself again for each process. The process reads its orders, prints
// its address and serves until its standard input ends, or kills itself.
package fleet

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Orders is what a process is told.
type Orders struct {
	ID    int             `json:"id"`
	Point string          `json:"point"` // where it kills itself; empty: nowhere
	After int             `json:"after"` // how many passes of the point it survives
	All   json.RawMessage `json:"all"`   // what all are told
}

// Kill is a kill to come: a point, and how many passes of it a process survives.
type Kill struct {
	Point string
	After int
}

// Fleet is the processes, one in each slot. It is safe for concurrent use; a process
// is owned by the goroutine that has started it.
type Fleet struct {
	// Mortal says that processes may also kill themselves where their orders say
	// nothing of it. Set it before Run.
	Mortal bool

	env string
	all json.RawMessage

	mu     sync.Mutex
	rng    *rand.Rand
	kills  []Kill
	slots  []slot
	last   int
	killed map[int]Death // by id
	err    error
}

// Death is a kill that took place, and when it was seen.
type Death struct {
	Point string
	At    time.Time
}

type slot struct {
	addr    string
	process *os.Process
}

// New returns a fleet of so many processes. env is the environment variable that has
// the orders, and all what each process is told.
func New(env string, size int, seed uint64, kills []Kill, all any) (*Fleet, error) {
	raw, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	return &Fleet{
		env: env, all: raw, rng: rand.New(rand.NewPCG(seed, 1)), kills: kills,
		slots: make([]slot, size), killed: map[int]Death{},
	}, nil
}

// Run keeps a process in every slot until ctx ends, and returns when all are gone. A
// process that ends in another way than its orders say is an error.
func (f *Fleet) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for i := range f.slots {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := f.serve(ctx, i); err != nil {
					f.mu.Lock()
					f.err = errors.Join(f.err, err)
					f.mu.Unlock()
					cancel()
				}
			}
		})
	}
	wg.Wait()
	return f.err
}

// serve runs one process to its end.
func (f *Fleet) serve(ctx context.Context, i int) error {
	o := f.next()
	raw, err := json.Marshal(o)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), f.env+"="+string(raw))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = in.Close() })()
	if addr, err := bufio.NewReader(out).ReadString('\n'); err == nil {
		f.put(i, slot{strings.TrimSpace(addr), cmd.Process})
	}
	err = cmd.Wait()
	f.put(i, slot{})
	exit, exited := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return nil
	case exited && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL && (o.Point != "" || f.Mortal):
		f.mu.Lock()
		defer f.mu.Unlock()
		f.killed[o.ID] = Death{o.Point, time.Now()}
		return nil
	}
	return fmt.Errorf("fleet: process %d ended by itself: %w", o.ID, err)
}

func (f *Fleet) next() Orders {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	o := Orders{ID: f.last, All: f.all}
	if len(f.kills) > 0 {
		o.Point, o.After = f.kills[0].Point, f.kills[0].After
		f.kills = f.kills[1:]
	}
	return o
}

func (f *Fleet) put(i int, s slot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.slots[i] = s
}

// pick returns some process that runs.
func (f *Fleet) pick() (slot, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range f.rng.Perm(len(f.slots)) {
		if f.slots[i].addr != "" {
			return f.slots[i], true
		}
	}
	return slot{}, false
}

// Addr returns the address of some process; empty if none runs.
func (f *Fleet) Addr() string {
	s, _ := f.pick()
	return s.addr
}

// Freeze stops some process and lets it go on after a time, as one does that is
// swapped out: it does not know that time has passed. It reports whether one ran.
func (f *Fleet) Freeze(d time.Duration) bool {
	s, ok := f.pick()
	if !ok || s.process.Signal(syscall.SIGSTOP) != nil {
		return false
	}
	time.Sleep(d)
	_ = s.process.Signal(syscall.SIGCONT)
	return true
}

// Any returns the address in a slot that rng picks; empty while no process runs there.
func (f *Fleet) Any(rng *rand.Rand) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.slots[rng.IntN(len(f.slots))].addr
}

// Killed returns which processes were killed, by id. Call it when Run has returned.
func (f *Fleet) Killed() map[int]Death { return f.killed }

// Last returns the last id that was given; the first is 1. Call it when Run has
// returned.
func (f *Fleet) Last() int { return f.last }

// Balancer hands each request to some process, and answers 502 where none answers.
func (f *Fleet) Balancer() http.Handler {
	return &httputil.ReverseProxy{
		ErrorLog: log.New(io.Discard, "", 0), // connections break on purpose
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", f.Addr()
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
}

// Told returns the orders in the environment variable, and decodes into all what all
// processes are told.
func Told(env string, all any) (Orders, error) {
	var o Orders
	if err := json.Unmarshal([]byte(os.Getenv(env)), &o); err != nil {
		return o, fmt.Errorf("fleet: orders: %w", err)
	}
	return o, json.Unmarshal(o.All, all)
}

// Killer returns a function that kills the process when it has passed the point of its
// orders often enough. It is safe for concurrent use.
func (o Orders) Killer() func(point string) {
	var mu sync.Mutex
	after := o.After
	return func(at string) {
		if at != o.Point {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if after--; after < 0 {
			Die()
		}
	}
}

// Die kills the process with a signal that it cannot handle. It does not return:
// nothing after it may happen.
func Die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// Serve prints the address, and serves until the standard input ends; then it calls
// shutdown.
func Serve(handler http.Handler, shutdown func(context.Context) error) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan error, 1)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := shutdown(ctx)
		_ = server.Shutdown(ctx)
		ended <- err
	}()
	fmt.Println(listener.Addr()) // the starter reads it
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return fmt.Errorf("fleet: %w", err)
	}
	return <-ended
}
