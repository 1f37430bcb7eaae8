package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary be the server of a contender, as the command is.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if slices.Contains(os.Args, "-serve") {
		if err := run(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestEverySectionCanBeAskedFor(t *testing.T) {
	t.Parallel()
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	require.Equal(t, sectionNames(), names)
}

func TestFlagsThatMeanNothingAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-rounds", "0"}, {"-slice", "0s"}, {"-only", "nothing"}} {
		_, err := parse(args)
		require.Error(t, err, "%v", args)
	}
}

func TestAQuickRunWritesNothing(t *testing.T) {
	t.Parallel()
	c, err := parse([]string{"-quick", "-out", "RESULTS.md"})
	require.NoError(t, err)
	require.Empty(t, c.out)
	require.Equal(t, 1, c.plan.rounds)
}

func TestAPartOfTheTablesDoesNotReplaceAllOfThem(t *testing.T) {
	t.Parallel()
	c, err := parse([]string{"-only", "verify"})
	require.NoError(t, err)
	require.Empty(t, c.out)
	c, err = parse([]string{"-only", "verify", "-out", "verify.md"})
	require.NoError(t, err)
	require.Equal(t, "verify.md", c.out)
	c, err = parse(nil)
	require.NoError(t, err)
	require.Equal(t, "RESULTS.md", c.out)
}

func TestAnUnknownContenderHasNoServer(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, serve("nobody", nil, io.Discard), `no contender "nobody"`)
}
