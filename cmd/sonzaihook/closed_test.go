package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook/internal/recorder"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
)

// pipedProgram is the program in another process, with its output in a real pipe.
type pipedProgram struct {
	*exec.Cmd
	out    *os.File // the end that is read
	errOut recorder.Log
}

func (w world) pipe(t *testing.T, args ...string) *pipedProgram {
	t.Helper()
	read, write, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = read.Close() })
	p := &pipedProgram{Cmd: exec.CommandContext(t.Context(), os.Args[0], args...), out: read}
	p.Env = append(os.Environ(), append(w.environ, asProgram+"=1")...)
	p.Stdout, p.Stderr = write, &p.errOut
	require.NoError(t, p.Start())
	require.NoError(t, write.Close())
	return p
}

// ends waits for the program and returns its exit code; -1 if a signal ended it.
func (p *pipedProgram) ends(t *testing.T) int {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = p.Wait() // the exit code says it too
	}()
	select {
	case <-ended:
		return p.ProcessState.ExitCode()
	case <-time.After(20 * time.Second):
		require.NoError(t, p.Process.Kill())
		t.Fatal("the program goes on though nothing reads its output")
		return 0
	}
}

func TestListenUnsubscribesOnceNothingReadsItsOutput(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	p := l.pipe(t, "listen", "--addr", "127.0.0.1:0", "--json")
	(&running{}).says(t, &p.errOut, "interrupt to unsubscribe")
	lines := bufio.NewReader(p.out)
	for i := range 3 {
		event := saying(fmt.Sprintf("msg_%d", i), "hello")
		event.ProjectID = ""
		l.happens(t, event)
		_, err := lines.ReadString('\n')
		require.NoError(t, err)
	}
	require.NoError(t, p.out.Close())
	require.Equal(t, console.ExitYes, p.ends(t), "it ends without a fourth event: %s", &p.errOut)
	require.Contains(t, p.errOut.String(), "✓ unsubscribed after 3 events\n")
	require.Contains(t, l.fine(t, "webhooks", "list"), "no webhooks are registered")
}

func TestListenThroughHeadLeavesNoRegistrationBehind(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("head"); err != nil {
		t.Skip("the program head is not installed (Debian package coreutils)")
	}
	l := newLand(t)
	shell := exec.CommandContext(t.Context(), "sh", "-c", `"$0" listen --addr 127.0.0.1:0 --json | head -3`, os.Args[0])
	shell.Env = append(os.Environ(), append(l.environ, asProgram+"=1")...)
	var out, errOut recorder.Log
	shell.Stdout, shell.Stderr = &out, &errOut
	require.NoError(t, shell.Start())
	(&running{}).says(t, &errOut, "interrupt to unsubscribe")
	for i := range 5 { // some come when head has gone
		event := saying(fmt.Sprintf("msg_%d", i), "hello")
		event.ProjectID = ""
		l.happens(t, event)
	}
	require.NoError(t, shell.Wait())
	require.Len(t, objects(t, out.String()), 3)
	require.Contains(t, errOut.String(), "✓ unsubscribed after ")
	require.Contains(t, l.fine(t, "webhooks", "list"), "no webhooks are registered")
}

func TestALongListThroughAClosedPipeEndsQuietly(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	for i := range 20 {
		l.happens(t, saying(fmt.Sprintf("msg_%d", i), "hello"))
	}
	p := l.pipe(t, "notifications", "list", "--project", testProject, "--json")
	require.NoError(t, p.out.Close())
	require.Equal(t, console.ExitClosed, p.ends(t), "%s", &p.errOut)
	require.Empty(t, p.errOut.String())
}
