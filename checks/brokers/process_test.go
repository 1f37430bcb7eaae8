//go:build unix

package brokers

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// process is a server that a test starts, kills and starts again. It is for one
// goroutine.
type process struct {
	t       *testing.T
	command func() *exec.Cmd
	ready   func() bool
	cmd     *exec.Cmd
	gone    chan struct{}
}

// start starts the server and returns when it is ready. Everything is killed when
// the test ends.
func (p *process) start() {
	p.t.Helper()
	log, err := os.OpenFile(filepath.Join(p.t.TempDir(), "server.log"), os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(p.t, err)
	defer log.Close()
	p.cmd = p.command()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(p.t, p.cmd.Start())
	cmd, gone := p.cmd, make(chan struct{})
	p.gone = gone
	go func() {
		_ = cmd.Wait() // a killed server is no error here
		close(gone)
	}()
	p.t.Cleanup(func() { end(cmd, gone) })
	deadline := time.Now().Add(90 * time.Second)
	for !p.ready() {
		select {
		case <-gone:
			text, _ := os.ReadFile(log.Name())
			require.FailNow(p.t, "the server ended", "%s", text)
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			require.FailNow(p.t, "the server is not ready", "%s", text)
		}
	}
}

// kill ends the server as a crash would, and returns when it is gone.
func (p *process) kill() { end(p.cmd, p.gone) }

func end(cmd *exec.Cmd, gone chan struct{}) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	<-gone
}

// installed skips the test where a program is missing. Debian's rabbitmq-server on
// the PATH is a wrapper that changes the user; the one that it wraps comes first.
func installed(t *testing.T, program, debian string) string {
	t.Helper()
	for _, dir := range []string{"/usr/lib/rabbitmq/bin/", "", "/usr/sbin/"} {
		if path, err := exec.LookPath(dir + program); err == nil {
			return path
		}
	}
	t.Skipf("%s is not installed (Debian package %s)", program, debian)
	return ""
}

// ports are those that this process has handed out.
var ports struct {
	sync.Mutex
	last int
}

// freePort returns a port below those that the system hands out, because RabbitMQ
// needs another one 20,000 above it.
func freePort(t *testing.T) int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	for port := max(ports.last+1, 21000+os.Getpid()%7000); port < 32000; port++ {
		if l, err := net.Listen("tcp", address(port)); err == nil {
			require.NoError(t, l.Close())
			ports.last = port
			return port
		}
	}
	require.FailNow(t, "no free port")
	return 0
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func listens(port int) bool {
	conn, err := net.DialTimeout("tcp", address(port), time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
