package adapters_test

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/sonzaihook/sonzaihook"

// shared is what an adapter has in common with another one.
var shared = map[string]string{
	"redishook":   module + "/adapters/internal/redisscript",
	"rueidishook": module + "/adapters/internal/redisscript",
	"sqlhook":     module + "/adapters/internal/sqlclaim",
	"pgxhook":     module + "/adapters/internal/sqlclaim",
}

// An application pays for what it mounts: the root package needs no framework, and
// an adapter one library and no other adapter. What adapters share is internal.
func TestAnAdapterImportsTheRootAndOneLibrary(t *testing.T) {
	t.Parallel()
	for dir, library := range map[string]string{
		"httphook":     "",
		"echohook":     "github.com/labstack/echo/v4",
		"echo5hook":    "github.com/labstack/echo/v5",
		"ginhook":      "github.com/gin-gonic/gin",
		"validatehook": "github.com/go-playground/validator/v10",
		"redishook":    "github.com/redis/go-redis/v9",
		"rueidishook":  "github.com/redis/rueidis",
		"sqlhook":      "",
		"pgxhook":      "github.com/jackc/pgx/v5",
	} {
		want := []string{module}
		if shared[dir] != "" {
			want = append(want, shared[dir])
		}
		if library != "" {
			want = append(want, library)
		}
		slices.Sort(want)
		require.Equal(t, want, imports(t, dir), dir)
	}
	require.Equal(t, []string{
		module + "/internal/answer", module + "/internal/once", module + "/internal/signature", module + "/internal/snapshot",
		module + "/internal/usercode", module + "/internal/wire",
	}, imports(t, ".."))
	lowest := []string{module + "/internal/snapshot", module + "/internal/usercode"}
	for _, dir := range []string{"once", "signature"} {
		require.Subset(t, lowest, imports(t, "../internal/"+dir), dir)
	}
	require.Subset(t, append(lowest, "github.com/go-json-experiment/json"), imports(t, "../internal/wire"))
	for _, dir := range []string{"answer", "snapshot", "usercode"} {
		require.Empty(t, imports(t, "../internal/"+dir), dir)
	}
	require.Equal(t, []string{module}, imports(t, "internal/redisscript"))
}

// imports returns the modules, and the packages of this one, that a directory's
// code imports, without its tests and the standard library.
func imports(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var found []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		require.NoError(t, err)
		file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ImportsOnly)
		require.NoError(t, err)
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			parts := strings.Split(path, "/")
			if !strings.Contains(parts[0], ".") {
				continue
			}
			if !strings.HasPrefix(path, module) {
				path = strings.Join(parts[:3+major(parts)], "/")
			}
			found = append(found, path)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// major returns 1 where a module's path has a major version, as two versions of
// one library are two libraries.
func major(parts []string) int {
	if len(parts) > 3 && regexp.MustCompile(`^v[0-9]+$`).MatchString(parts[3]) {
		return 1
	}
	return 0
}
