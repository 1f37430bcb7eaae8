package inspector

import (
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatDoesNotShowAsItselfIsNamed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain text, 中文, עברית, 👍🏽": "plain text, 中文, עברית, 👍🏽",
		"a\u202eb":           "a‹U+202E›b",
		"\u200b\u2066":       "‹U+200B U+2066›",
		"line\nand\ttab\r":   "line‹LF›and‹TAB›tab‹CR›",
		"\xc3(":              `‹\xC3›(`,
		"\x7f\u0085":         "‹U+007F U+0085›",
		"\u3164\u00a0\ue000": "‹U+3164 U+00A0 U+E000›",
		"👩\u200d👧":           "👩\u200d👧",
		"a\u200db":           "a‹U+200D›b",
		"":                   "",
	} {
		require.Equal(t, want, plain(text, 1000), "%q", text)
	}
	require.Equal(t, "ab… 3 bytes more", plain("abcde", 2))
	require.Equal(t, "a… 3 bytes more", plain("a中", 3), "a character is not cut")
	require.Equal(t, []chunk{{"a\nb\tc", false}}, chunks("a\nb\tc", 100, true))
}

func TestAPathIsReadByItsEnd(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/": "/list", "/x/y/": "/list", "/x/events": "/events", "/send": "/send", "/a/b/faults": "/faults", "/deliveries/7": "/deliveries/7",
		"/x/deliveries/7/replay": "/deliveries/7/replay", "/x/deliveries/7/body": "/deliveries/7/body", "/x/assets/live.js": "/assets/live.js",
		"/x/else": "/unknown", "/replay": "/unknown", "/7/body": "/unknown", "x": "/unknown",
	} {
		require.Equal(t, want, ending(path), path)
	}
}

func TestThePackageImportsNothingOfOthers(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, spec := range parsed.Imports {
			path := strings.Trim(spec.Path.Value, `"`)
			own := strings.TrimPrefix(path, "github.com/sonzaihook/sonzaihook")
			require.True(t, !strings.Contains(path, ".") || own == "" || own == "/testdata" || own == "/internal/diagnosis", "%s imports %s", file.Name(), path)
		}
	}
}
