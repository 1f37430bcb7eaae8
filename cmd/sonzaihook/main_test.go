package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
)

const (
	testSecret = "whsec_0123456789abcdef0123456789abcdef"
	testBody   = `{"event_type":"agent.message","event_id":"evt_1","data":{"content":"hello"}}`
)

// nowhere is an address at which nothing answers. A server that was closed would
// leave its port to the next one.
const nowhere = "http://127.0.0.1:1"

var testNow = time.Unix(1767225600, 0)

// asProgram is the variable with which the test's binary is the program itself.
const asProgram = "SONZAIHOOK_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// result is what a command line did.
type result struct {
	code   int
	out    string
	errOut string
}

// world is the surroundings of a command line.
type world struct {
	stdin   string
	environ []string
	now     time.Time // zero: the real time
}

// consoleOf returns the console of a world; what is written there is lost.
func consoleOf(t *testing.T, w world) *console.Console {
	t.Helper()
	c := &console.Console{In: strings.NewReader(w.stdin), Out: io.Discard, ErrOut: io.Discard, Environ: w.environ, Now: time.Now}
	if !w.now.IsZero() {
		c.Now = func() time.Time { return w.now }
	}
	return c
}

// do runs a command line in this process.
func (w world) do(t *testing.T, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	c := consoleOf(t, w)
	c.Out, c.ErrOut = &out, &errOut
	code := run(t.Context(), c, args)
	return result{code: code, out: out.String(), errOut: errOut.String()}
}

// keyed is a world that has the secret in its environment and a clock that stands.
func keyed(stdin string) world {
	return world{stdin: stdin, environ: []string{secretVariable + "=" + testSecret}, now: testNow}
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	return name
}

func TestWrongUsageIsOneLineAndExitCode2(t *testing.T) {
	t.Parallel()
	body := writeFile(t, testBody)
	for _, test := range []struct {
		name string
		args []string
		line string
	}{
		{"unknown command", []string{"verfy"}, `unknown command "verfy" for "sonzaihook" Did you mean this? verify`},
		{"unknown flag", []string{"demo", "--fast"}, "unknown flag: --fast"},
		{"secret in the place of a flag", []string{"sign", "-whsec_topsecret"}, "unknown shorthand flag: 'w' in -whsec_…"},
		{"too many arguments", []string{"sign", "a", "whsec_topsecret"}, "2 arguments, at most 1 taken; see --help"},
		{"demo takes none", []string{"demo", "x"}, "1 arguments, at most 0 taken; see --help"},
		{"body not found", []string{"sign", "/does/not/exist"}, "body: open /does/not/exist: no such file or directory"},
		{"secret file not found", []string{"sign", "--secret", "@/does/not/exist", body}, "secret: open /does/not/exist: no such file or directory"},
		{"secret file empty", []string{"sign", "--secret", "@" + writeFile(t, "\n"), body}, "is empty"},
		{"bad secret", []string{"sign", "--secret", "whsec_topsecret ", body}, "invalid secret: it has white space at an end"},
		{"bad time", []string{"sign", "--at", "yesterday", body}, `time "yesterday": want RFC 3339, Unix seconds, now, or a distance such as -10m`},
		{"time before the epoch", []string{"sign", "--at", "-5", body}, "malformed signature"},
		{"no signature flag", []string{"verify", body}, `required flag(s) "signature" not set`},
		{"bad tolerance", []string{"verify", "--signature", "x", "--tolerance", "0s", body}, "--tolerance 0s: it must be positive"},
		{"verify at no time", []string{"verify", "--signature", "x", "--at", "then", body}, `time "then"`},
		{"no URL", []string{"send", "message"}, `required flag(s) "url" not set`},
		{"relative URL", []string{"send", "message", "--url", "localhost:8080"}, "--url: want an absolute http or https URL"},
		{"nothing to send", []string{"send", "--url", "http://127.0.0.1:1"}, "what to send?"},
		{"two things to send", []string{"send", "message", "--body", body, "--url", "http://127.0.0.1:1"}, "not both"},
		{"unknown type", []string{"send", "mod_change", "--url", "http://127.0.0.1:1"}, `no body for event type "mod_change": want agent.message, agent.mood_change`},
		{"set without a value", []string{"send", "message", "--set", "x", "--url", "http://127.0.0.1:1"}, "--set x: want path=value"},
		{"set through a string", []string{"send", "message", "--set", "data.content.x=1", "--url", "http://127.0.0.1:1"}, "data.content is not an object"},
		{"set in no JSON", []string{"send", "--body", writeFile(t, "[]"), "--set", "a=1", "--url", "http://127.0.0.1:1"}, "the body is not a JSON object"},
		{"tampered and stale", []string{"send", "message", "--tampered", "--stale", "--url", "http://127.0.0.1:1"}, "none of the others can be"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := keyed("").do(t, test.args...)
			require.Equal(t, console.ExitTrouble, got.code)
			require.Empty(t, got.out)
			require.Contains(t, got.errOut, test.line)
			require.True(t, strings.HasPrefix(got.errOut, "sonzaihook: "), got.errOut)
			require.Equal(t, 1, strings.Count(got.errOut, "\n"), "one line")
			require.Equal(t, 1, strings.Count(got.errOut, "sonzaihook: "), "one prefix")
			require.NotContains(t, got.errOut, "topsecret")
		})
	}
}

func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	root := newRoot(&console.Console{Out: &out, ErrOut: &out})
	require.NotEmpty(t, root.Example)
	var check func(command *cobra.Command)
	check = func(command *cobra.Command) {
		path := command.CommandPath()
		require.NotEmpty(t, command.Short, path)
		if command.Name() != "version" {
			require.NotEmpty(t, command.Long, path)
			require.Contains(t, command.Example, path)
		}
		got := keyed("").do(t, append(strings.Fields(path)[1:], "--help")...)
		require.Equal(t, console.ExitYes, got.code, path)
		require.Contains(t, got.out, "Usage:")
		for line := range strings.Lines(command.Long) {
			require.LessOrEqual(t, utf8.RuneCountInString(line), 120, "%s: %s", path, line)
		}
		require.NotContains(t, got.out, testSecret)
		for _, below := range command.Commands() {
			check(below)
		}
	}
	for _, command := range root.Commands() {
		check(command)
	}
}

func TestVersionNamesTheBuild(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"version"}, {"--version"}} {
		got := world{}.do(t, args...)
		require.Equal(t, console.ExitYes, got.code)
		require.Regexp(t, `^sonzaihook \S+ \(.*go1\..*\)\n$`, got.out)
	}
}

func TestASecretComesFromFlagFileOrEnvironment(t *testing.T) {
	t.Parallel()
	want := sonzaihook.Sign([]byte(testBody), testSecret, testNow) + "\n"
	for _, test := range []struct {
		name    string
		args    []string
		environ []string
	}{
		{"flag", []string{"--secret", testSecret}, nil},
		{"file", []string{"--secret", "@" + writeFile(t, testSecret)}, nil},
		{"file with a newline", []string{"--secret", "@" + writeFile(t, testSecret+"\n")}, nil},
		{"file with a Windows line end", []string{"--secret", "@" + writeFile(t, testSecret+"\r\n")}, nil},
		{"environment", nil, []string{secretVariable + "=" + testSecret}},
		{"flag before environment", []string{"--secret", testSecret}, []string{secretVariable + "=whsec_other"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := world{stdin: testBody, environ: test.environ, now: testNow}
			got := w.do(t, append([]string{"sign"}, test.args...)...)
			require.Equal(t, result{console.ExitYes, want, ""}, got)
		})
	}
	got := world{stdin: testBody}.do(t, "sign")
	require.Equal(t, result{console.ExitTrouble, "", "sonzaihook: " + errNoSecret.Error() + "\n"}, got)
}

func TestSignSignsForTheTimeThatIsAskedFor(t *testing.T) {
	t.Parallel()
	file := writeFile(t, testBody)
	for at, want := range map[string]time.Time{
		"now":                  testNow,
		"-10m":                 testNow.Add(-10 * time.Minute),
		"+1h":                  testNow.Add(time.Hour),
		"1700000000":           time.Unix(1700000000, 0),
		"2026-03-01T09:30:00Z": time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC),
	} {
		got := keyed("").do(t, "sign", "--at", at, file)
		require.Equal(t, console.ExitYes, got.code, got.errOut)
		require.NoError(t, sonzaihook.Verify([]byte(testBody), strings.TrimSpace(got.out), testSecret, want, time.Nanosecond), at)
	}
}

func TestAStandardInputThatBreaksIsReported(t *testing.T) {
	t.Parallel()
	var out, errOut bytes.Buffer
	a := &console.Console{In: iotest.ErrReader(errors.New("broken pipe")), Out: &out, ErrOut: &errOut, Environ: keyed("").environ, Now: time.Now}
	require.Equal(t, console.ExitTrouble, run(context.Background(), a, []string{"sign"}))
	require.Equal(t, "sonzaihook: body: standard input: broken pipe\n", errOut.String())
}

func TestAnInterruptIsNoError(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	var out, errOut bytes.Buffer
	a := &console.Console{Out: &out, ErrOut: &errOut, Now: time.Now}
	require.Equal(t, console.ExitInterrupted, run(ctx, a, []string{"demo"}))
	require.Equal(t, "sonzaihook: interrupted\n", errOut.String())
}
