package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// A real server: this program again, as a separate process for each contender,
// so that none of them pays for the garbage of another.

// serve is the server's side. It tells its address on out and ends when in does,
// that is with the process that started it.
func serve(name string, in io.Reader, out io.Writer) error {
	c := find(name)
	if c == nil {
		return fmt.Errorf("no contender %q", name)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var s sink
	mux := http.NewServeMux()
	for _, t := range []sonzaihook.EventType{sonzaihook.EventMemoryAdded, sonzaihook.EventConsolidation} {
		mux.Handle("POST /"+string(t), c.handler(&s, t, []string{secret}))
	}
	mux.HandleFunc("GET /spent", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(spent{CPU: processorTime(), Events: s.events.Load()})
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	if _, err := fmt.Fprintln(out, listener.Addr()); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, in)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		_ = server.Close()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// spent is what a server has used and done since it started.
type spent struct {
	CPU    time.Duration
	Events int64
}

// child is the server of one contender.
type child struct {
	contender *contender
	addr      string
	stdin     io.Closer
	cmd       *exec.Cmd
	next      int // the number of the next event
}

func startChild(ctx context.Context, c *contender) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-serve", c.name)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	k := &child{contender: c, stdin: stdin, cmd: cmd}
	if _, err := fmt.Fscanln(bufio.NewReader(stdout), &k.addr); err != nil {
		return nil, errors.Join(fmt.Errorf("the server of %s did not start: %w", c.name, err), k.stop())
	}
	return k, nil
}

func (k *child) stop() error {
	_ = k.stdin.Close()
	return k.cmd.Wait()
}

func (k *child) spent() (spent, error) {
	var s spent
	answer, err := http.Get("http://" + k.addr + "/spent")
	if err != nil {
		return s, err
	}
	defer func() { _ = answer.Body.Close() }()
	return s, json.NewDecoder(answer.Body).Decode(&s)
}

// raceServers starts all servers, lets them take turns, and stops them.
func (b *bench) raceServers(ctx context.Context, s size) (results []result, err error) {
	var lanes []lane
	for _, c := range served {
		k, startErr := startChild(ctx, c)
		if startErr != nil {
			return nil, startErr
		}
		defer func() { err = errors.Join(err, k.stop()) }()
		lanes = append(lanes, k.lane(newBody(s.bytes, c.layout)))
	}
	return b.serverPlan().race(lanes)
}

// serverPlan is a plan with fewer and longer turns: a server takes a while to get
// going.
func (b *bench) serverPlan() plan {
	if b.quick {
		return b.plan
	}
	return plan{rounds: max(b.plan.rounds/2, 1), slice: 8 * b.plan.slice}
}

// lane is a lane in which a run is a request.
func (k *child) lane(body *body) lane {
	var load *load
	var before spent
	var cpu float64
	return lane{
		name:  k.contender.name,
		waits: true,
		prepare: func(n int) (err error) {
			if load != nil {
				load.close()
			}
			if load, err = k.newLoad(body, n); err != nil {
				return err
			}
			before, err = k.spent()
			return err
		},
		run:  func(n int) error { return load.run() },
		peek: func() float64 { return cpu },
		after: func(n int) error {
			load.close()
			load = nil
			now, err := k.spent()
			if err != nil {
				return err
			}
			if took := now.Events - before.Events; took != int64(n) {
				return fmt.Errorf("%s took %d of %d events", k.contender.name, took, n)
			}
			cpu = float64(now.CPU-before.CPU) / float64(n)
			return nil
		},
	}
}
