package sonzaihook_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	module  = "github.com/sonzaihook/sonzaihook"
	decoder = "github.com/go-json-experiment/json"
)

func goCommand(t *testing.T, dir string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GOWORK=off")
	out, err := command.CombinedOutput()
	require.NoError(t, err, "go %s: %s", strings.Join(args, " "), out)
	return string(out)
}

// An application that imports only the root package gets one module besides this
// one: the adapters stay out of its go.mod and out of its binary.
func TestApplicationThatImportsTheRootGainsOnlyTheDecoder(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(".")
	require.NoError(t, err)
	dir := t.TempDir()
	write(t, dir, "go.mod", "module example.com/application\n\ngo 1.26.0\n\nrequire "+module+" v0.0.0\n\nreplace "+module+" => "+root+"\n")
	write(t, dir, "main.go", `package main

import (
	"log"
	"net/http"
	"os"

	"`+module+`"
)

func main() {
	hooks, err := sonzaihook.New(sonzaihook.Secret(os.Getenv("SONZAI_WEBHOOK_SECRET")))
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:8080", hooks))
}
`)
	goCommand(t, dir, "mod", "tidy")
	modules := strings.Fields(goCommand(t, dir, "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "."))
	slices.Sort(modules)
	require.Equal(t, []string{"example.com/application", decoder, module}, slices.Compact(modules))

	var required []string
	file, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	require.NoError(t, err)
	for line := range strings.Lines(string(file)) {
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "require"))
		if path, _, found := strings.Cut(line, " v"); found && !strings.Contains(line, "=>") {
			required = append(required, path)
		}
	}
	slices.Sort(required)
	require.Equal(t, []string{decoder, module}, required, "%s", file)
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
}
