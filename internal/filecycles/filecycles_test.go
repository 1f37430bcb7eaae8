package filecycles

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// limits has for each package how many files may use each other in a circle.
var limits = []struct {
	dir   string
	files int
}{
	{".", 2},
	{"upstream", 2},
	{"internal/signature", 2},
	{"internal/wire", 2},
	{"internal/once", 2},
	{"internal/snapshot", 2},
	{"internal/diagnosis", 2},
	{"internal/recorder", 2},
	{"hooktest", 2},
	{"adapters/httphook", 2},
	{"adapters/echohook", 2},
	{"adapters/echo5hook", 2},
	{"adapters/ginhook", 2},
	{"adapters/validatehook", 2},
	{"adapters/redishook", 2},
	{"adapters/rueidishook", 2},
	{"adapters/watermillhook", 2},
	{"cmd/sonzaihook", 2},
	{"cmd/sonzaihook/internal/console", 2},
	{"cmd/sonzaihook/internal/delivery", 2},
	{"cmd/sonzaihook/internal/demo", 2},
}

func TestNoMoreFilesThanAllowedUseEachOtherInACircle(t *testing.T) {
	t.Parallel()
	for _, limit := range limits {
		t.Run(limit.dir, func(t *testing.T) {
			t.Parallel()
			circles, err := Of(filepath.Join("..", "..", limit.dir))
			require.NoError(t, err)
			for _, circle := range circles {
				require.LessOrEqual(t, len(circle), limit.files, "%d files use each other in a circle: %v", len(circle), circle)
			}
		})
	}
}

// sources writes a package and returns its directory.
func sources(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module example.com/p\n\ngo 1.26.0\n"
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

func TestCirclesAreFoundByWhateverIsUsed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		files map[string]string
		want  [][]string
	}{
		{"a line", map[string]string{
			"a.go": "package p\nfunc a() { b() }", "b.go": "package p\nfunc b() { c() }", "c.go": "package p\nfunc c() {}",
		}, nil},
		{"functions", map[string]string{
			"a.go": "package p\nfunc a() { b() }", "b.go": "package p\nfunc b() { c() }", "c.go": "package p\nfunc c() { a() }",
			"d.go": "package p\nfunc d() { a() }",
		}, [][]string{{"a.go", "b.go", "c.go"}}},
		{"methods of one type in two files", map[string]string{
			"a.go": "package p\ntype T struct{}\nfunc (t T) a() { t.b() }", "b.go": "package p\nfunc (t T) b() {}",
		}, [][]string{{"a.go", "b.go"}}},
		{"a field, a constant and what is imported", map[string]string{
			"a.go": "package p\nimport \"strings\"\nvar b strings.Builder\ntype T struct{ n int }\nconst k = l",
			"b.go": "package p\nconst l = 1\nfunc f() any { b.Reset(); return func(t T) int { return t.n } }",
		}, [][]string{{"a.go", "b.go"}}},
		{"tests do not count", map[string]string{
			"a.go": "package p\nfunc a() { b() }", "b.go": "package p\nfunc b() {}", "b_test.go": "package p\nfunc c() { a() }",
		}, nil},
		{"two circles, the larger first", map[string]string{
			"a.go": "package p\nfunc a() { b(); e() }", "b.go": "package p\nfunc b() { a() }",
			"c.go": "package p\nfunc c() { d() }", "d.go": "package p\nfunc d() { e() }", "e.go": "package p\nfunc e() { c() }",
		}, [][]string{{"c.go", "d.go", "e.go"}, {"a.go", "b.go"}}},
		{"names that only shadow", map[string]string{
			"a.go": "package p\nfunc a() { b() }", "b.go": "package p\nfunc b() { a := 1; _ = a }",
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Of(sources(t, test.files))
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

func TestAPackageThatDoesNotCompileIsAnError(t *testing.T) {
	t.Parallel()
	_, err := Of(sources(t, map[string]string{"a.go": "package p\nfunc a() { b() }"}))
	require.ErrorContains(t, err, "undefined: b")
}
