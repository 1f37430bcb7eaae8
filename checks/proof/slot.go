//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// fleet is the receiver processes, one in each slot, and how the earlier ones
// ended.
type fleet struct {
	orders orders // what all are told
	dir    string

	mu     sync.Mutex
	rng    *rand.Rand
	points []string // of the kills to come
	addrs  []string // by slot; empty while no receiver runs
	faults []Fault
	last   int // the last id that was given
	err    error
}

func newFleet(seed uint64, size, kills int, o orders, dir string) *fleet {
	f := &fleet{orders: o, dir: dir, rng: randomFor(seed, "kills"), addrs: make([]string, size)}
	for i := range kills { // every point as often as every other
		f.points = append(f.points, Points()[i%len(Points())])
	}
	f.rng.Shuffle(kills, func(i, j int) { f.points[i], f.points[j] = f.points[j], f.points[i] })
	return f
}

// run keeps a process in every slot until ctx ends, and returns when all are gone.
func (f *fleet) run(ctx context.Context) {
	var wg sync.WaitGroup
	for slot := range f.addrs {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := f.serve(ctx, slot); err != nil {
					f.fail(err)
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
	cmd.Env = append(os.Environ(), ReceiverEnv+"="+string(raw))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("proof: receiver: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer stop()
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		f.move(slot, strings.TrimSpace(addr))
	}
	err = cmd.Wait()
	f.move(slot, "")
	return f.ended(o, err)
}

// next returns the orders of the next process.
func (f *fleet) next() orders {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	o := f.orders
	o.ID, o.Dir = f.last, f.dir
	if len(f.points) > 0 {
		o.Point, o.After = f.points[0], 2+f.rng.IntN(12)
		f.points = f.points[1:]
	}
	return o
}

func (f *fleet) move(slot int, addr string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.addrs[slot] = addr
}

// ended records how a process ended. Ending in any other way than its orders say is
// an error.
func (f *fleet) ended(o orders, err error) error {
	exit, exited := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return nil
	case exited && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL && o.Point != "":
		now := time.Now()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.faults = append(f.faults, Fault{Kind: o.Point, Instance: o.ID, From: now, Until: now})
		return nil
	}
	return fmt.Errorf("proof: receiver %d ended by itself: %w", o.ID, err)
}

func (f *fleet) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

// pick returns the address of some slot; empty if no receiver runs.
func (f *fleet) pick(rng *rand.Rand) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.addrs[rng.IntN(len(f.addrs))]
}
