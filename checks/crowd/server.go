package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// ServerEnv is the environment variable with the timeouts of a server process.
// [Run] starts this program again with it set, and main then calls [Serve].
const ServerEnv = "SONZAIHOOK_CROWD_SERVER"

const secret = "whsec_crowd_0123456789abcdef0123456789"

// Timeouts are the timeouts of an http.Server.
type Timeouts struct {
	ReadHeader time.Duration `json:"read_header"` // a client that says nothing is gone after it
	Read       time.Duration `json:"read"`        // and one whose body does not end, after this
	Write      time.Duration `json:"write"`       // longer than the body and the callbacks may take together
	Idle       time.Duration `json:"idle"`        // between two deliveries of one connection
}

// Recommended returns the timeouts that the README recommends.
func Recommended() Timeouts {
	return Timeouts{ReadHeader: 5 * time.Second, Read: 10 * time.Second, Write: 45 * time.Second, Idle: time.Minute}
}

// Serve runs a server process until its standard input ends.
func Serve() error {
	var timeouts Timeouts
	if err := json.Unmarshal([]byte(os.Getenv(ServerEnv)), &timeouts); err != nil {
		return fmt.Errorf("crowd: %w", err)
	}
	hooks, err := sonzaihook.New(sonzaihook.Secret(secret), sonzaihook.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	hooks.OnMessage(func(ctx context.Context, _ *sonzaihook.MessageEvent) error {
		time.Sleep(10 * time.Millisecond)
		return nil
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("crowd: %w", err)
	}
	var open, mostOpen, peak atomic.Int64
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/sonzai", hooks)
	mux.HandleFunc("GET /peak", func(w http.ResponseWriter, req *http.Request) {
		_ = json.NewEncoder(w).Encode(usage{Peak: max(peak.Load(), memory()), MostOpen: mostOpen.Load()})
	})
	go func() {
		for ; ; time.Sleep(20 * time.Millisecond) { // as long as the process lives
			peak.Store(max(peak.Load(), memory()))
		}
	}()
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: timeouts.ReadHeader, ReadTimeout: timeouts.Read,
		WriteTimeout: timeouts.Write, IdleTimeout: timeouts.Idle,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       log.New(io.Discard, "", 0),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				now := open.Add(1)
				for most := mostOpen.Load(); now > most && !mostOpen.CompareAndSwap(most, now); most = mostOpen.Load() {
				}
			case http.StateClosed, http.StateHijacked:
				open.Add(-1)
			}
		},
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	fmt.Println(listener.Addr()) // the starter reads it
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return fmt.Errorf("crowd: %w", err)
	}
	return nil
}

// usage is a server process's report on itself.
type usage struct {
	Peak     int64 `json:"peak"`      // bytes held at most
	MostOpen int64 `json:"most_open"` // connections at once
}

// memory returns the bytes that the Go runtime holds: heap, stacks and its own.
func memory() int64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return int64(samples[0].Value.Uint64() - samples[1].Value.Uint64())
}

// process is a running server process.
type process struct {
	addr  string
	cmd   *exec.Cmd
	stdin io.Closer
}

func start(timeouts Timeouts) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("crowd: %w", err)
	}
	raw, err := json.Marshal(timeouts)
	if err != nil {
		return nil, fmt.Errorf("crowd: %w", err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), ServerEnv+"="+string(raw))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("crowd: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("crowd: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("crowd: %w", err)
	}
	p := &process{cmd: cmd, stdin: stdin}
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("crowd: the server did not start: %w", err)
	}
	p.addr = strings.TrimSpace(addr)
	return p, nil
}

func (p *process) stop() {
	_ = p.stdin.Close()
	_ = p.cmd.Wait() // it was told to end
}

// usage asks the process.
func (p *process) usage() (usage, error) {
	var u usage
	res, err := http.Get("http://" + p.addr + "/peak")
	if err != nil {
		return u, fmt.Errorf("crowd: %w", err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&u); err != nil {
		return u, fmt.Errorf("crowd: %w", err)
	}
	return u, nil
}
