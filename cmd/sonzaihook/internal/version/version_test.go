package version

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAVersionSaysFromWhichCommitItWasBuilt(t *testing.T) {
	t.Parallel()
	info := &debug.BuildInfo{GoVersion: "go1.26.8"}
	platform := ", go1.26.8, " + runtime.GOOS + "/" + runtime.GOARCH + ")"
	info.Main.Version = "v0.3.0"
	info.Settings = []debug.BuildSetting{{Key: "vcs.revision", Value: "1a2b3c4d5e6f7a8b"}}
	require.Equal(t, "v0.3.0 (1a2b3c4d5e6f"+platform, describe(info))
	info.Settings = append(info.Settings, debug.BuildSetting{Key: "vcs.modified", Value: "true"})
	require.Equal(t, "v0.3.0 (1a2b3c4d5e6f with changes"+platform, describe(info))
	info.Main.Version, info.Settings = "", nil
	require.Equal(t, "(devel) ("+platform[2:], describe(info))
}
