// Package version says from what a program was built.
package version

import (
	"cmp"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
)

// Add gives a command line a version command and a --version flag. It leaves the
// flag's output to cobra: a template for it links text/template, and with that every
// method of the program, which makes sonzaihook-queue a sixth larger.
func Add(root *cobra.Command, c *console.Console) {
	root.Version = current()
	root.AddCommand(&cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return c.Say(console.Plain(root.Name() + " " + root.Version)) },
	})
}

func current() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return describe(info)
}

// describe returns the version as Go recorded it, the commit where there is
// one, and the platform: "v0.3.0 (1a2b3c4d5e6f, go1.26.8, linux/amd64)".
func describe(info *debug.BuildInfo) string {
	settings := make(map[string]string, len(info.Settings))
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	details := []string{info.GoVersion, runtime.GOOS + "/" + runtime.GOARCH}
	if revision := settings["vcs.revision"]; revision != "" {
		short := revision[:min(12, len(revision))]
		if settings["vcs.modified"] == "true" {
			short += " with changes"
		}
		details = append([]string{short}, details...)
	}
	return cmp.Or(info.Main.Version, "(devel)") + " (" + strings.Join(details, ", ") + ")"
}
