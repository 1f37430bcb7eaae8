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

var (
	goFence  = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")
	anyFence = regexp.MustCompile("(?ms)^```.*?^```$")
	heading  = regexp.MustCompile(`(?m)^(#+) (.*)$`)
)

// pages returns the README in both languages and every page of docs.
func pages(t *testing.T) map[string]string {
	t.Helper()
	docs, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, docs)
	pages := map[string]string{}
	for _, name := range append(docs, "README.md", "README.zh-CN.md", "CONTRIBUTING.md", "SECURITY.md") {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		pages[name] = string(text)
	}
	return pages
}

// Each Go snippet is a whole file. They are laid over the module as packages that
// exist only for this test, and compiled.
func TestEverySnippetOfTheDocsCompiles(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(".")
	require.NoError(t, err)
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	var packages []string
	for page, text := range pages(t) {
		for i, fence := range goFence.FindAllStringSubmatch(text, -1) {
			snippet, name := fence[1], "snippet.go"
			require.True(t, strings.HasPrefix(snippet, "package "), "%s: snippet %d is not a whole file", page, i)
			if strings.Contains(snippet, "*testing.T)") {
				name = "snippet_test.go"
			}
			pkg := fmt.Sprintf("snippets/%s%d", strings.NewReplacer("/", "_", ".", "_").Replace(page), i)
			file := strings.ReplaceAll(pkg, "/", "_") + "_" + name
			write(t, dir, file, snippet)
			packages = append(packages, "./"+pkg)
			overlay.Replace[filepath.Join(root, pkg, name)] = filepath.Join(dir, file)
		}
	}
	text, err := json.Marshal(overlay)
	require.NoError(t, err)
	write(t, dir, "overlay.json", string(text))
	require.NotEmpty(t, packages)
	goCommand(t, root, append([]string{"list", "-export", "-test", "-f", "{{.ImportPath}}", "-overlay", filepath.Join(dir, "overlay.json")}, packages...)...)
}

// The table of answers has each code once, with its status.
func TestTheDocsListEveryAnswer(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/answers.md")
	require.NoError(t, err)
	for _, row := range answerRows {
		line := fmt.Sprintf("| %d | `%s` |", row.status, row.code)
		require.Equal(t, 1, strings.Count(string(page), line), line)
	}
}

func TestTheChineseReadmeIsInStepWithTheReadme(t *testing.T) {
	t.Parallel()
	all := pages(t)
	english, chinese := all["README.md"], all["README.zh-CN.md"]
	require.Equal(t, anyFence.FindAllString(english, -1), anyFence.FindAllString(chinese, -1), "the same snippets")
	require.Equal(t, levels(english), levels(chinese), "the same headings")
	require.Equal(t, tableRows(english), tableRows(chinese), "the same rows of tables")
}

// levels returns the level of each heading.
func levels(text string) []int {
	var all []int
	for _, found := range heading.FindAllStringSubmatch(anyFence.ReplaceAllString(text, ""), -1) {
		all = append(all, len(found[1]))
	}
	return all
}

func tableRows(text string) int { return strings.Count(text, "\n| ") }

// A README is read to its end if it is short. What is longer has a page in docs.
func TestTheReadmeIsShort(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"README.md", "README.zh-CN.md"} {
		require.LessOrEqual(t, strings.Count(pages(t)[name], "\n"), 250, name)
	}
}
