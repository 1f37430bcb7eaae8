package postgresserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNotInstalled means that there is no PostgreSQL server to start.
var ErrNotInstalled = errors.New("postgresserver: postgres is not installed (Debian package postgresql)")

// Server is one PostgreSQL server and the directory with its files. It is for one
// goroutine, except Addr and DSN.
type Server struct {
	dir     string
	port    int
	args    []string
	account account // whose process the server is
	cmd     *exec.Cmd
	gone    chan struct{} // closed when the process has been reaped
}

// program returns the path of one of the server's programs, or ErrNotInstalled.
// Debian keeps them outside of the PATH, in a directory for each version.
func program(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	found, _ := filepath.Glob(filepath.Join("/usr/lib/postgresql/*/bin", name))
	if len(found) == 0 {
		return "", ErrNotInstalled
	}
	return slices.Max(found), nil
}

// Start makes an empty cluster in a temporary directory and starts a server on a
// free port. Every commit is on the disk when it returns, as PostgreSQL does it by
// default; args are further settings, such as "fsync=off". Stop removes the files.
func Start(ctx context.Context, args ...string) (*Server, error) {
	initdb, err := program("initdb")
	if err != nil {
		return nil, err
	}
	s := &Server{args: args}
	if s.dir, err = os.MkdirTemp("", "postgresserver-"); err != nil {
		return nil, fmt.Errorf("postgresserver: %w", err)
	}
	if s.account, err = giveUpRoot(s.dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	cmd := s.command(ctx, initdb, "--pgdata", s.data(), "--username", "postgres",
		"--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("postgresserver: initdb: %w: %s", err, out), os.RemoveAll(s.dir))
	}
	for range 5 { // another process may take the port before the server does
		if s.port, err = freePort(); err != nil {
			break
		}
		if err = s.Restart(ctx); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	return s, nil
}

func (s *Server) command(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = s.dir
	s.account.runs(cmd)
	return cmd
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("postgresserver: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Addr returns the host and port, which stay the same over a restart.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// DSN returns the URL of a database: "postgres" exists, others are the caller's to
// create.
func (s *Server) DSN(database string) string {
	return "postgres://postgres@" + s.Addr() + "/" + database + "?sslmode=disable"
}

// Restart starts the server again, on the same port and files. It returns when the
// server answers.
func (s *Server) Restart(ctx context.Context) error {
	postgres, err := program("postgres")
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "postgres.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("postgresserver: %w", err)
	}
	defer log.Close()
	args := []string{
		"-D", s.data(), "-p", strconv.Itoa(s.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
	}
	for _, setting := range s.args {
		args = append(args, "-c", setting)
	}
	s.cmd = s.command(context.WithoutCancel(ctx), postgres, args...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("postgresserver: %w", err)
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

// await returns when the server answers, which it does once it has recovered.
func (s *Server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.DSN("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.gone:
			return fmt.Errorf("postgresserver: postgres ended, see postgres.log: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("postgresserver: %w: %w", context.Cause(ctx), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Kill ends the server at once, as a crash would, and returns when it is gone. The
// files stay, for Restart.
func (s *Server) Kill() { s.end(syscall.SIGQUIT) }

// Stop ends the server, and removes its files.
func (s *Server) Stop() {
	s.end(syscall.SIGINT)
	_ = os.RemoveAll(s.dir)
}

// end sends a signal. The server's processes end with their parent: SIGQUIT ends
// all of them without a checkpoint, so that the next start has to recover.
func (s *Server) end(signal syscall.Signal) {
	_ = s.cmd.Process.Signal(signal)
	<-s.gone
}
