package main

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/reference"
)

// The pages are made by "go generate ./cmd/...".
func TestThePagesInDocsAreThoseOfTheCommands(t *testing.T) {
	t.Parallel()
	pages, err := reference.Markdown(newRoot(console.New()))
	require.NoError(t, err)
	committed, err := reference.Committed("../../../docs/cli", "sonzaihook-queue")
	require.NoError(t, err)
	require.Equal(t, slices.Sorted(maps.Keys(pages)), slices.Sorted(maps.Keys(committed)), "go generate ./cmd/... makes them anew")
	for name, text := range pages {
		require.Equal(t, string(text), string(committed[name]), "%s: go generate ./cmd/... makes it anew", name)
	}
}
