package contract

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/checks/internal/platformspec"
	"github.com/sonzaihook/sonzaihook/internal/traffic"
	"github.com/sonzaihook/sonzaihook/simulator"
)

// callsOf runs the tests of a package of the main module and returns the calls that
// they made.
func callsOf(t *testing.T, name string) []traffic.Call {
	t.Helper()
	dir := t.TempDir()
	command := exec.CommandContext(t.Context(), "go", "test", "-count=1", "./"+name)
	command.Dir = filepath.Join("..", "..")
	command.Env = append(os.Environ(), traffic.EnvDir+"="+dir)
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	calls, err := traffic.Read(dir)
	require.NoError(t, err)
	return calls
}

func TestEveryCallOfTheTestsKeepsToThePlatformsDocument(t *testing.T) {
	t.Parallel()
	checker, err := platformspec.New()
	require.NoError(t, err)
	for _, test := range []struct {
		name  string
		makes func(t *testing.T, calls []traffic.Call)
	}{
		{"sonzaiapi", func(t *testing.T, calls []traffic.Call) {
			require.Empty(t, platformspec.Missing(calls), "calls that the client cannot make")
		}},
		{"upstream", func(t *testing.T, calls []traffic.Call) {
			require.Greater(t, len(calls), 100)
		}},
		{"simulator", func(t *testing.T, calls []traffic.Call) {
			require.Greater(t, len(calls), 30)
			require.False(t, slices.ContainsFunc(calls, func(c traffic.Call) bool { return !c.Wrong }))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			calls := callsOf(t, test.name)
			test.makes(t, calls)
			for _, call := range calls {
				for _, fault := range checker.Check(call) {
					t.Errorf("%s: %s %s: %s", call.Test, call.Method, call.URL, fault)
				}
			}
		})
	}
}

func TestTheCallsOfTheSimulatorAreThoseOfThePlatform(t *testing.T) {
	t.Parallel()
	calls := simulator.Calls()
	slices.Sort(calls)
	require.Equal(t, platformspec.Calls(), calls)
}
