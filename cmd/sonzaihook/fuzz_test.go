package main

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzATypeStaysInItsPlace(f *testing.F) {
	for _, name := range []string{"agent.message", "..", "a/b", `..\x`, "a?b=c&d#e", "%2e%2e", "\u202e", ""} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		u, err := url.Parse(place{event: name}.url("https://a.example/hooks/{event}/end?type={event}&x=1"))
		require.NoError(t, err)
		require.Equal(t, "a.example", u.Host)
		segments := strings.Split(u.EscapedPath(), "/")
		require.Len(t, segments, 4)
		segment, err := url.PathUnescape(segments[2])
		require.NoError(t, err)
		require.Equal(t, name, segment)
		require.Equal(t, url.Values{"type": {name}, "x": {"1"}}, u.Query())
		require.Empty(t, u.Fragment)

		file, err := place{event: name}.file("secrets/{event}")
		if err == nil {
			require.Equal(t, "secrets", filepath.Dir(file))
			require.Equal(t, name, filepath.Base(file))
		}
	})
}
