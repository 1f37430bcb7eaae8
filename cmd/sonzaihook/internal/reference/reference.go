// Package reference makes pages of a command line: Markdown for the repository and
// man pages for a release.
package reference

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// Command returns a hidden command that writes the pages of a command line. It is
// given the name of the program, and a function that makes the command line: making
// pages changes it.
func Command(program string, newRoot func() *cobra.Command) *cobra.Command {
	var markdown, man string
	cmd := &cobra.Command{
		Use:   "reference",
		Short: "Write the pages of all commands",
		Long: `Reference writes a page for each command. The date of man pages is that of
SOURCE_DATE_EPOCH, which is in Unix seconds, or today's.`,
		Example: "  " + program + " reference --man /usr/local/share/man/man1",
		Args:    cobra.NoArgs,
		Hidden:  true,
		RunE: func(*cobra.Command, []string) error {
			if markdown == "" && man == "" {
				return errors.New("reference needs --markdown or --man")
			}
			return errors.Join(writeMarkdown(markdown, newRoot), writeMan(man, newRoot))
		},
	}
	cmd.Flags().StringVar(&markdown, "markdown", "", "write Markdown to this `folder`, and delete pages of commands that are gone")
	cmd.Flags().StringVar(&man, "man", "", "write man pages to this `folder`")
	return cmd
}

func writeMarkdown(dir string, newRoot func() *cobra.Command) error {
	if dir == "" {
		return nil
	}
	root := newRoot()
	pages, err := Markdown(root)
	if err != nil {
		return err
	}
	old, err := Committed(dir, root.Name())
	if err != nil {
		return err
	}
	for name := range old {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return write(dir, pages)
}

func writeMan(dir string, newRoot func() *cobra.Command) error {
	if dir == "" {
		return nil
	}
	pages, err := Man(newRoot())
	if err != nil {
		return err
	}
	return write(dir, pages)
}

func write(dir string, pages map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Committed returns the Markdown pages of a command line that are in a folder.
func Committed(dir, name string) (map[string][]byte, error) {
	pages := map[string][]byte{}
	for _, pattern := range []string{name + ".md", name + "_*.md"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			pages[filepath.Base(file)] = text
		}
	}
	return pages, nil
}

// Markdown returns a page for each command, by the names of their files. It changes
// the commands.
func Markdown(root *cobra.Command) (map[string][]byte, error) {
	return pages(root, func(cmd *cobra.Command, text *bytes.Buffer) (string, error) {
		cmd.Long = fence(cmd.Long)
		return strings.ReplaceAll(cmd.CommandPath(), " ", "_") + ".md", doc.GenMarkdown(cmd, text)
	})
}

// Man returns a man page for each command, by the names of their files. It changes
// the commands.
func Man(root *cobra.Command) (map[string][]byte, error) {
	header := doc.GenManHeader{Section: "1", Source: root.Name(), Manual: "Sonzai webhooks"}
	return pages(root, func(cmd *cobra.Command, text *bytes.Buffer) (string, error) {
		cmd.Long = fence(cmd.Long)
		// The pages are Markdown first, where <type> would be a tag.
		cmd.Use = strings.NewReplacer("<", `\<`, ">", `\>`).Replace(cmd.Use)
		of := header // GenMan fills in the title
		return strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1", doc.GenMan(cmd, &of, text)
	})
}

// pages makes a page of a command and of each one below it that is not hidden.
func pages(root *cobra.Command, make func(*cobra.Command, *bytes.Buffer) (name string, err error)) (map[string][]byte, error) {
	root.InitDefaultCompletionCmd()
	root.InitDefaultVersionFlag()
	root.DisableAutoGenTag = true // it has today's date
	all := map[string][]byte{}
	var add func(*cobra.Command) error
	add = func(cmd *cobra.Command) error {
		var text bytes.Buffer
		name, err := make(cmd, &text)
		if err != nil {
			return err
		}
		all[name] = append(bytes.TrimSpace(text.Bytes()), '\n')
		for _, child := range cmd.Commands() {
			if !child.IsAvailableCommand() || child.IsAdditionalHelpTopicCommand() {
				continue
			}
			child.DisableAutoGenTag = true
			if err := add(child); err != nil {
				return err
			}
		}
		return nil
	}
	return all, add(root)
}

// fence puts the indented lines of a help text between fences. Markdown takes lines
// that are indented by two spaces for a part of the paragraph.
func fence(text string) string {
	var blocks []string
	var block []string
	inside := false
	end := func() {
		if lines := strings.Trim(strings.Join(block, "\n"), "\n"); lines != "" && inside {
			blocks = append(blocks, "```\n"+lines+"\n```")
		} else if lines != "" {
			blocks = append(blocks, lines)
		}
		block = nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		indented := strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "\t")
		if indented != inside {
			end()
			inside = indented
		}
		block = append(block, line)
	}
	end()
	return strings.Join(blocks, "\n\n")
}
