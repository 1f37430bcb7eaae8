package reference

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

func newTree() *cobra.Command {
	root := &cobra.Command{Use: "tool", Short: "Do work", Long: "Takes:\n  a=1   one\n  b=2   two\nand more."}
	root.AddCommand(
		&cobra.Command{Use: "run <what>", Short: "Run it", Run: func(*cobra.Command, []string) {}},
		&cobra.Command{Use: "secret", Short: "Not for all", Hidden: true, Run: func(*cobra.Command, []string) {}},
	)
	return root
}

func TestEachCommandThatIsNotHiddenHasAPage(t *testing.T) {
	t.Parallel()
	pages, err := Markdown(newTree())
	require.NoError(t, err)
	require.Contains(t, pages, "tool.md")
	require.Contains(t, pages, "tool_run.md")
	require.Contains(t, pages, "tool_completion_zsh.md")
	require.NotContains(t, pages, "tool_secret.md")
	require.Contains(t, string(pages["tool.md"]), "Takes:\n\n```\n  a=1   one\n  b=2   two\n```\n\nand more.\n")
	require.NotContains(t, string(pages["tool.md"]), "tool secret")
}

func TestAManPageHasTheDateThatItIsGiven(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1767225600") // the first of January 2026
	pages, err := Man(newTree())
	require.NoError(t, err)
	require.Contains(t, string(pages["tool.1"]), `"Jan 2026"`)
	require.Contains(t, string(pages["tool-run.1"]), `tool run <what>`)
	again, err := Man(newTree())
	require.NoError(t, err)
	require.Equal(t, pages, again)
}

func TestPagesOfCommandsThatAreGoneAreDeleted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"tool_gone.md", "tool-other_run.md", "tool.txt"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("text"), 0o600))
	}
	cmd := Command("tool", newTree)
	cmd.SetArgs([]string{"--markdown", dir})
	require.NoError(t, cmd.Execute())
	require.NoFileExists(t, filepath.Join(dir, "tool_gone.md"))
	require.FileExists(t, filepath.Join(dir, "tool-other_run.md"), "it belongs to another command")
	require.FileExists(t, filepath.Join(dir, "tool.txt"))
	made, err := Markdown(newTree())
	require.NoError(t, err)
	written, err := Committed(dir, "tool")
	require.NoError(t, err)
	require.Equal(t, made, written)
}
