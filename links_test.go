package sonzaihook_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

var link = regexp.MustCompile(`(?:\]\(|src=")([^)"\s]+)`)

func TestEveryLinkOfTheDocsLeadsToAFileAndAHeading(t *testing.T) {
	t.Parallel()
	all := pages(t)
	for page, text := range all {
		for _, found := range link.FindAllStringSubmatch(anyFence.ReplaceAllString(text, ""), -1) {
			target, anchor, _ := strings.Cut(found[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := page
			if target != "" {
				file = filepath.ToSlash(filepath.Join(filepath.Dir(page), target))
				_, err := os.Stat(file)
				require.NoError(t, err, "%s links to %s", page, found[1])
			}
			if anchor != "" {
				require.Contains(t, anchors(all[file]), anchor, "%s links to %s", page, found[1])
			}
		}
	}
}

// anchors returns what the headings of a page can be linked by.
func anchors(text string) []string {
	var all []string
	for _, found := range heading.FindAllStringSubmatch(anyFence.ReplaceAllString(text, ""), -1) {
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, found[2]))
	}
	return all
}
