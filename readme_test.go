package sonzaihook_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var goFence = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

// Each Go snippet of the README is a whole file. They are laid over the module as
// packages that exist only for this test, and compiled.
func TestEverySnippetOfTheReadmeCompiles(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	root, err := filepath.Abs(".")
	require.NoError(t, err)
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	var packages []string
	for i, fence := range goFence.FindAllSubmatch(readme, -1) {
		snippet, pkg := string(fence[1]), fmt.Sprintf("readme/snippet%d", i)
		name := "snippet.go"
		if strings.Contains(snippet, "*testing.T)") {
			name = "snippet_test.go"
		}
		packages = append(packages, "./"+pkg)
		file := fmt.Sprintf("%d_%s", i, name)
		write(t, dir, file, snippet)
		overlay.Replace[filepath.Join(root, pkg, name)] = filepath.Join(dir, file)
	}
	text, err := json.Marshal(overlay)
	require.NoError(t, err)
	write(t, dir, "overlay.json", string(text))
	require.NotEmpty(t, packages)
	goCommand(t, root, append([]string{"list", "-export", "-test", "-f", "{{.ImportPath}}", "-overlay", filepath.Join(dir, "overlay.json")}, packages...)...)
}

// The README's table of answers lists each code once, with its status.
func TestReadmeListsEveryAnswer(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	for _, row := range answerRows {
		line := fmt.Sprintf("| %d | `%s` |", row.status, row.code)
		require.Equal(t, 1, strings.Count(string(readme), line), line)
	}
}
