//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
)

// fleet is the receiver processes, one in each slot, and what stands before them. It
// is safe for concurrent use; each process is owned by the goroutine that has started
// it.
type fleet struct {
	orders orders // what all are told

	mu     sync.Mutex
	rng    *rand.Rand
	points []string // of the kills to come
	addrs  []string // by slot; empty while no process runs
	last   int      // the last id that was given
	killed map[int]string
	err    error
}

// run keeps a process in every slot until ctx ends, and returns when all are gone.
func (f *fleet) run(ctx context.Context) {
	var wg sync.WaitGroup
	for slot := range f.addrs {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := f.serve(ctx, slot); err != nil {
					f.mu.Lock()
					f.err = errors.Join(f.err, err)
					f.mu.Unlock()
					return
				}
			}
		})
	}
	wg.Wait()
}

// serve runs one process to its end.
func (f *fleet) serve(ctx context.Context, slot int) error {
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
	cmd.Env = append(os.Environ(), receiverEnv+"="+string(raw))
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
		return fmt.Errorf("rotation: receiver: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = in.Close() })()
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		f.move(slot, strings.TrimSpace(addr))
	}
	err = cmd.Wait()
	f.move(slot, "")
	exit, exited := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return nil
	case exited && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL && o.Point != "":
		f.mu.Lock()
		defer f.mu.Unlock()
		f.killed[o.ID] = o.Point
		return nil
	}
	return fmt.Errorf("rotation: receiver %d ended by itself: %w", o.ID, err)
}

// next returns the orders of the next process.
func (f *fleet) next() orders {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	o := f.orders
	o.ID = f.last
	if len(f.points) == 0 {
		return o
	}
	o.Point, f.points = f.points[0], f.points[1:]
	o.After = f.rng.IntN(3)
	if o.Point == midRun || o.Point == afterRun {
		o.After = 20 + f.rng.IntN(200)
	}
	return o
}

func (f *fleet) move(slot int, addr string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.addrs[slot] = addr
}

// pick returns the address of some process; empty if none runs.
func (f *fleet) pick() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range f.rng.Perm(len(f.addrs)) {
		if f.addrs[i] != "" {
			return f.addrs[i]
		}
	}
	return ""
}

// balancer hands each request to some process.
func (f *fleet) balancer() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", f.pick()
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
}
