package mariadbserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

// ErrNotInstalled means that there is no MariaDB server to start.
var ErrNotInstalled = errors.New("mariadbserver: mariadbd is not installed (Debian package mariadb-server)")

// Server is one MariaDB server and the directory with its files. It is for one
// goroutine, except Addr and DSN.
type Server struct {
	dir  string
	port int
	args []string
	cmd  *exec.Cmd
	gone chan struct{} // closed when the process has been reaped
}

func program(names ...string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
		if path := "/usr/sbin/" + name; fileExists(path) {
			return path, nil
		}
	}
	return "", ErrNotInstalled
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Start makes an empty server in a temporary directory and starts it on a free
// port. args are further options, such as "--innodb-flush-log-at-trx-commit=0".
// Stop removes the files.
func Start(ctx context.Context, args ...string) (*Server, error) {
	install, err := program("mariadb-install-db", "mysql_install_db")
	if err != nil {
		return nil, err
	}
	s := &Server{args: args}
	if s.dir, err = os.MkdirTemp("", "mariadbserver-"); err != nil {
		return nil, fmt.Errorf("mariadbserver: %w", err)
	}
	if err := s.giveUpRoot(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	cmd := exec.CommandContext(ctx, install, append([]string{"--no-defaults", "--skip-test-db",
		"--auth-root-authentication-method=normal", "--datadir=" + s.data()}, s.account()...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("mariadbserver: %s: %w: %s", install, err, out), os.RemoveAll(s.dir))
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

func (s *Server) giveUpRoot() error {
	if os.Getuid() != 0 {
		return nil
	}
	account, err := user.Lookup("mysql")
	if err != nil {
		return fmt.Errorf("%w: no user mysql to run as: %w", ErrNotInstalled, err)
	}
	uid, err := strconv.Atoi(account.Uid)
	if err != nil {
		return fmt.Errorf("mariadbserver: %w", err)
	}
	return os.Chown(s.dir, uid, -1)
}

// account returns the option that makes a server started by root give up its rights.
func (s *Server) account() []string {
	if os.Getuid() != 0 {
		return nil
	}
	return []string{"--user=mysql"}
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("mariadbserver: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Addr returns the host and port, which stay the same over a restart.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// DSN returns the data source name of a database, for go-sql-driver/mysql: "mysql"
// exists, others are the caller's to create.
func (s *Server) DSN(database string) string { return "root@tcp(" + s.Addr() + ")/" + database }

// Restart starts the server again, on the same port and files. It returns when the
// server answers.
func (s *Server) Restart(ctx context.Context) error {
	mariadbd, err := program("mariadbd", "mysqld")
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "mariadb.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("mariadbserver: %w", err)
	}
	defer log.Close()
	args := append([]string{
		"--no-defaults", "--datadir=" + s.data(), "--port=" + strconv.Itoa(s.port), "--bind-address=127.0.0.1",
		"--socket=" + filepath.Join(s.dir, "s.sock"), "--pid-file=" + filepath.Join(s.dir, "pid"),
	}, s.account()...)
	s.cmd = exec.Command(mariadbd, append(args, s.args...)...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("mariadbserver: %w", err)
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
	config, err := mysql.ParseDSN(s.DSN("mysql"))
	if err != nil {
		return fmt.Errorf("mariadbserver: %w", err)
	}
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return fmt.Errorf("mariadbserver: %w", err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.gone:
			return fmt.Errorf("mariadbserver: mariadbd ended, see mariadb.log: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("mariadbserver: %w: %w", context.Cause(ctx), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Kill ends the server at once, as a crash would, and returns when it is gone. The
// files stay, for Restart.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Stop ends the server, and removes its files.
func (s *Server) Stop() {
	s.end(syscall.SIGTERM)
	_ = os.RemoveAll(s.dir)
}

func (s *Server) end(signal syscall.Signal) {
	_ = s.cmd.Process.Signal(signal)
	<-s.gone
}
