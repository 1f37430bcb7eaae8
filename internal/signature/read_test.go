package signature

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestADirectoryHasOneFileForEachRegistration(t *testing.T) {
	t.Parallel()
	dir := fstest.MapFS{
		"agent.message": {Data: []byte("new\r\n\n  \nold\nnew\n")},
		"any":           {Data: []byte("any")},
		"..data/x":      {Data: []byte("x")},
		".hidden":       {Data: []byte("")},
		"folder/x":      {Data: []byte("x")},
	}
	set, err := ReadDir[string](dir)
	require.NoError(t, err)
	require.Equal(t, Set[string]{"agent.message": {"new", "old"}, Any: {"any"}}, set)
}

func TestADirectoryWithAFileThatIsHalfWrittenGivesNoSecrets(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		dir  fs.FS
		says string
	}{
		"no file":      {fstest.MapFS{}, "no file with secrets"},
		"an empty one": {fstest.MapFS{"a": {Data: []byte("s")}, "b": {}}, `file "b": sonzaihook: invalid secret`},
		"quotes":       {fstest.MapFS{"a": {Data: []byte(`"secret"`)}}, "quotes"},
		"too long":     {fstest.MapFS{"a": {Data: []byte(strings.Repeat("s\n", maxFile))}}, "at most 65536"},
	} {
		set, err := ReadDir[string](test.dir)
		require.ErrorIs(t, err, ErrInvalidSecret, name)
		require.ErrorContains(t, err, test.says, name)
		require.Nil(t, set, name)
	}
}

func TestVariablesHaveTheNamesOfRegistrations(t *testing.T) {
	t.Setenv("HOOKS_AGENT_MESSAGE", "new,old\nnew")
	t.Setenv("HOOKS_BASE_URL", "http://127.0.0.1")
	names := slices.Values([]string{"agent.message", "agent.wakeup"})
	set, err := ReadEnv[string]("HOOKS", names)
	require.NoError(t, err)
	require.Equal(t, Set[string]{"agent.message": {"new", "old"}}, set)

	_, err = ReadEnv[string]("NOTHING", names)
	require.ErrorIs(t, err, ErrInvalidSecret)
	t.Setenv("HOOKS_AGENT_WAKEUP", "")
	_, err = ReadEnv[string]("HOOKS", names)
	require.ErrorIs(t, err, ErrInvalidSecret)
	require.ErrorContains(t, err, "variable HOOKS_AGENT_WAKEUP")
}

func TestAListIsInTheOrderOfTheNames(t *testing.T) {
	t.Parallel()
	list, err := List(Set[string]{"b": {"2", "1"}, "a": {"3"}}, strings.ToUpper)
	require.NoError(t, err)
	require.Equal(t, []Secret{{"a", "A", "3"}, {"b", "B", "2"}, {"b", "B", "1"}}, list)
	for _, set := range []Set[string]{nil, {}, {"": {"s"}}, {"a": nil}, {"a": {" "}}} {
		_, err := List(set, strings.ToUpper)
		require.ErrorIs(t, err, ErrInvalidSecret)
	}
}
