package sqlhook_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var goFence = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

// Each Go snippet of the pages is a whole file. They are laid over the module as
// packages that exist only for this test, and compiled.
func TestEverySnippetOfTheDocsCompiles(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	command := exec.CommandContext(t.Context(), "go", "list", "-export", "-f", "{{.ImportPath}}", "-overlay", filepath.Join(dir, "overlay.json"))
	for _, page := range []string{"exactly-once", "queue"} {
		text, err := os.ReadFile(filepath.Join(root, "docs", page+".md"))
		require.NoError(t, err)
		fences := goFence.FindAllSubmatch(text, -1)
		require.NotEmpty(t, fences)
		for i, fence := range fences {
			pkg := fmt.Sprintf("docs/%s%d", strings.ReplaceAll(page, "-", ""), i)
			file := filepath.Join(dir, filepath.Base(pkg)+".go")
			require.NoError(t, os.WriteFile(file, fence[1], 0o600))
			overlay.Replace[filepath.Join(root, pkg, "snippet.go")] = file
			command.Args = append(command.Args, "./"+pkg)
		}
	}
	text, err := json.Marshal(overlay)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), text, 0o600))
	command.Dir = root
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
}
