package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const code = `package kit

import (
	"io"
	"time"
)

const (
	Limit         = 12
	Wait          = 90 * time.Second
	Red     Color = 1
	hidden        = 3
)

type Color int

func (Color) String() string { return "" }

type Set[K comparable, V any] map[K]V

func (s Set[K, V]) Add(key K, value V) {}

type Box struct {
	Name string
	f    func()
}

func (b *Box) Each(do func(index int, name string) error) {}

type Wide struct {
	io.Reader
	Do func(reader io.Reader) (n int, err error)
}

type Store interface {
	Put(key string, value []byte) error
	seal()
}

type Number interface{ ~int | ~float64 }

type Other = Box

var ErrNone, errInner error

func Each[T any](list []T, do ...func(item T) bool) (n int, err error) { return 0, nil }

func inner() {}
`

var want = []string{
	"const Limit untyped int = 12",
	"const Red Color = 1",
	"const Wait time.Duration = 1m30s",
	"func Each[T any]([]T, ...func(T) bool) (int, error)",
	"method (*Box) Each(func(int, string) error)",
	"method (Color) String() string",
	"method (Set) Add(K, V)",
	"method (Wide) Read([]byte) (int, error)",
	"type Box struct, Name string",
	"type Box struct, with unexported fields, not comparable",
	"type Color int",
	"type Number interface",
	"type Number interface, ~int | ~float64",
	"type Other = Box",
	"type Set[K comparable, V any] map[K]V",
	"type Store interface, Put(string, []byte) error",
	"type Store interface, with unexported methods",
	"type Wide struct, Do func(io.Reader) (int, error)",
	"type Wide struct, embedded io.Reader",
	"type Wide struct, not comparable",
	"var ErrNone error",
}

// newModule writes a module with two public packages and some that are not.
func newModule(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":                 "module example.com/kit\n\ngo 1.26\n",
		"kit.go":                 code,
		"tools/tools.go":         "package tools\n\nfunc Run() {}\n",
		"internal/deep/deep.go":  "package deep\n\nfunc Run() {}\n",
		"cmd/kit/main.go":        "package main\n\nfunc Exported() {}\n\nfunc main() {}\n",
		"onlytests/only_test.go": "package onlytests\n\nfunc Exported() {}\n",
	} {
		put(t, filepath.Join(dir, name), text)
	}
	return dir
}

func put(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func TestAListingHasWhatPublicPackagesExport(t *testing.T) {
	t.Parallel()
	lines, err := load(newModule(t))
	require.NoError(t, err)
	require.Equal(t, map[string][]string{"kit.txt": want, "tools.txt": {"func Run()"}}, lines)
}

func TestAChangeOfWhatIsExportedIsFoundUntilTheListingIsWritten(t *testing.T) {
	t.Parallel()
	dir := newModule(t)
	check := func(write bool) (bool, string) {
		var out strings.Builder
		same, err := run(dir, "api", write, &out)
		require.NoError(t, err)
		return same, out.String()
	}
	same, out := check(false)
	require.False(t, same, "there is no listing yet")
	require.Contains(t, out, "  + func Run()")
	same, _ = check(true)
	require.True(t, same)
	same, out = check(false)
	require.True(t, same)
	require.Empty(t, out)

	put(t, filepath.Join(dir, "kit.go"), strings.Replace(code, "key string", "key int", 1))
	require.NoError(t, os.Remove(filepath.Join(dir, "tools", "tools.go")))
	same, out = check(false)
	require.False(t, same)
	require.Contains(t, out, "kit\n  - type Store interface, Put(string, []byte) error\n  + type Store interface, Put(int, []byte) error\ntools\n  - func Run()\n")
	require.Contains(t, out, "1 lines of what is exported are not in api, and 2 that are there are not exported")

	same, _ = check(true)
	require.True(t, same)
	require.NoFileExists(t, filepath.Join(dir, "api", "tools.txt"))
	same, _ = check(false)
	require.True(t, same)
}

func TestCodeThatDoesNotCompileIsAnError(t *testing.T) {
	t.Parallel()
	dir := newModule(t)
	put(t, filepath.Join(dir, "kit.go"), "package kit\n\nfunc X() { y() }\n")
	_, err := load(dir)
	require.ErrorContains(t, err, "undefined: y")
}
