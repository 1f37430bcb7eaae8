//go:build unix

package redisserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrNotInstalled means that there is no redis-server on the PATH.
var ErrNotInstalled = errors.New("redisserver: redis-server is not installed (Debian package redis-server)")

// Server is one redis-server process and the directory with its files. It is for
// one goroutine, except Addr.
type Server struct {
	dir  string
	port int
	args []string
	cmd  *exec.Cmd
	gone chan struct{} // closed when the process has been reaped
}

// Installed returns [ErrNotInstalled] where there is no redis-server to start.
func Installed() error {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return ErrNotInstalled
	}
	return nil
}

// Start runs redis-server on a free port with its files in dir. The append-only
// file is on and synced with every write, so that a restart forgets nothing;
// further arguments come after these and win. It returns when the server answers.
func Start(ctx context.Context, dir string, args ...string) (*Server, error) {
	var last error
	for range 5 { // another process may take the port before the server does
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		s := &Server{dir: dir, port: port, args: args}
		if last = s.Restart(ctx); last == nil || errors.Is(last, ErrNotInstalled) || ctx.Err() != nil {
			return s, last
		}
	}
	return nil, last
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("redisserver: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Addr returns the host and port, which stay the same over a restart.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Restart starts the server again, on the same port and files.
func (s *Server) Restart(ctx context.Context) error {
	if err := Installed(); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "redis.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("redisserver: %w", err)
	}
	defer log.Close()
	s.cmd = exec.Command("redis-server", append([]string{
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir,
		"--save", "", "--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction",
	}, s.args...)...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("redisserver: %w", err)
	}
	cmd, gone := s.cmd, make(chan struct{})
	s.gone = gone
	go func() {
		_ = cmd.Wait() // a killed server is no error here
		close(gone)
	}()
	if err := s.await(ctx); err != nil {
		s.Kill()
		return err
	}
	return nil
}

// await returns when the server answers, which it does once it has read its files.
func (s *Server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	client := redis.NewClient(&redis.Options{Addr: s.Addr(), MaxRetries: -1, ContextTimeoutEnabled: true})
	defer client.Close()
	for {
		err := client.Ping(ctx).Err()
		if err == nil {
			return nil
		}
		select {
		case <-s.gone:
			return fmt.Errorf("redisserver: redis-server ended, see redis.log: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("redisserver: %w: %w", context.Cause(ctx), err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Kill ends the server as a crash would, and returns when it is gone.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Stop lets the server end in order, and returns when it is gone.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

func (s *Server) end(signal syscall.Signal) {
	_ = s.cmd.Process.Signal(signal)
	if signal != syscall.SIGKILL {
		_ = s.cmd.Process.Signal(syscall.SIGCONT) // a stalled server cannot end in order
	}
	<-s.gone
}

// Stall makes the server hang until Resume: it keeps its connections and takes
// what is sent, but does not answer.
func (s *Server) Stall() error { return s.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume ends a Stall.
func (s *Server) Resume() error { return s.cmd.Process.Signal(syscall.SIGCONT) }
