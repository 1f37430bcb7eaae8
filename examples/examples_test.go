package examples_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

var programs = []string{"nethttp", "echo", "echo5", "gin", "chi", "fiber"}

// modules are the examples that are modules, because they need libraries that no
// user of this module should carry.
var modules = []string{"fiber", "lambda", "exactly-once-sqlx", "kubernetes", "prometheus", "queue-river", "tracing"}

// patience is how long a program may take for one step on a busy machine.
const patience = 30 * time.Second

func TestEveryExampleServes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var here []string
	for _, name := range programs {
		if slices.Contains(modules, name) {
			goCommand(t, "-C", name, "build", "-o", dir, ".")
		} else {
			here = append(here, "./"+name)
		}
	}
	goCommand(t, append([]string{"build", "-o", dir}, here...)...)
	for _, name := range programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("takes deliveries until it is told to stop", func(t *testing.T) {
				t.Parallel()
				serve(t, start(t, filepath.Join(dir, name)))
			})
			t.Run("refuses to start without a secret", func(t *testing.T) {
				t.Parallel()
				cmd := exec.CommandContext(t.Context(), filepath.Join(dir, name))
				cmd.Env = append(os.Environ(), "SONZAI_WEBHOOK_SECRET=", "ADDR=127.0.0.1:0")
				out, err := cmd.CombinedOutput()
				var exit *exec.ExitError
				require.ErrorAs(t, err, &exit)
				require.Contains(t, string(out), sonzaihook.ErrInvalidSecret.Error())
			})
		})
	}
}

func TestExamplesInOtherModulesPassTheirTests(t *testing.T) {
	t.Parallel()
	for _, name := range modules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			goCommand(t, "-C", name, "vet", ".")
			goCommand(t, "-C", name, "test", ".")
		})
	}
}

func goCommand(t *testing.T, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", args...)
	command.Env = append(os.Environ(), "GOWORK=off")
	out, err := command.CombinedOutput()
	require.NoError(t, err, "go %s: %s", strings.Join(args, " "), out)
}

func serve(t *testing.T, p *program) {
	mood := hooktest.Fixture(t, sonzaihook.EventMoodChange)
	require.Equal(t, outcome(http.StatusOK, sonzaihook.CodeProcessed), p.deliver(t, mood))
	p.await(t, "mood changed agent=agent_luna label=content")
	require.Equal(t, outcome(http.StatusOK, sonzaihook.CodeDuplicate), p.deliver(t, mood))
	require.Equal(t, outcome(http.StatusUnauthorized, sonzaihook.CodeUnauthorized),
		p.deliver(t, mood, hooktest.Tampered()))
	health, err := http.Get(p.url + "/healthz")
	require.NoError(t, err)
	require.NoError(t, health.Body.Close())
	require.Equal(t, http.StatusNoContent, health.StatusCode)

	// a delivery that runs when the program is told to stop is finished
	message := hooktest.Fixture(t, sonzaihook.EventMessage)
	running := make(chan answer, 1)
	go func() { running <- p.deliver(t, message) }()
	p.await(t, "sending a message")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	p.await(t, "shutting down")
	require.Equal(t, outcome(http.StatusOK, sonzaihook.CodeProcessed), <-running)
	p.await(t, "message sent id=msg_7f3a")
	for range p.lines { // to the end, before Wait closes the pipe
		continue
	}
	require.NoError(t, p.cmd.Wait())
}

// program is an example that runs.
type program struct {
	cmd   *exec.Cmd
	lines chan string // of its log
	url   string
}

var listening = regexp.MustCompile(`url="?(http://[^/]+)/webhooks/sonzai/`)

func start(t *testing.T, path string, env ...string) *program {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	t.Cleanup(cancel)
	p := &program{cmd: exec.CommandContext(ctx, path), lines: make(chan string, 1000)}
	p.cmd.Env = append(append(os.Environ(), "SONZAI_WEBHOOK_SECRET="+hooktest.Secret, "ADDR=127.0.0.1:0"), env...)
	log, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.lines)
		for scanner := bufio.NewScanner(log); scanner.Scan(); {
			p.lines <- scanner.Text()
		}
	}()
	p.url = listening.FindStringSubmatch(p.await(t, "listening"))[1]
	return p
}

// await returns the next line of the log with the given text.
func (p *program) await(t *testing.T, text string) string {
	t.Helper()
	late := time.After(patience)
	for {
		select {
		case line, ok := <-p.lines:
			require.True(t, ok, "the program ended before it logged %q", text)
			if strings.Contains(line, text) {
				return line
			}
		case <-late:
			require.Fail(t, "no line with "+text)
		}
	}
}

type answer struct {
	status int
	body   string
}

func outcome(status int, code string) answer {
	return answer{status, string(sonzaihook.Outcome{Code: code}.Body())}
}

// deliver may be called from any goroutine.
func (p *program) deliver(t *testing.T, body []byte, options ...hooktest.Option) answer {
	signed := hooktest.NewRequest(t, body, options...)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/webhooks/sonzai/any", signed.Body)
	if err != nil {
		return answer{body: err.Error()}
	}
	req.Header, req.ContentLength = signed.Header, signed.ContentLength
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{body: err.Error()}
	}
	return answer{res.StatusCode, string(got)}
}
