package delivery

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAssignChangesOnePlaceAndLeavesTheRest(t *testing.T) {
	t.Parallel()
	const body = "{ \"type\":\"x\",\n \"data\": {\"a\":1.50, \"list\":[1,{\"b\":2}]} }"
	for _, test := range []struct{ name, assignment, want string }{
		{"number", "data.a=12", "{ \"type\":\"x\",\n \"data\": {\"a\":12, \"list\":[1,{\"b\":2}]} }"},
		{"string", "data.a=very low", "{ \"type\":\"x\",\n \"data\": {\"a\":\"very low\", \"list\":[1,{\"b\":2}]} }"},
		{"string of digits", `data.a="12"`, "{ \"type\":\"x\",\n \"data\": {\"a\":\"12\", \"list\":[1,{\"b\":2}]} }"},
		{"broken JSON is a string", "data.a={", "{ \"type\":\"x\",\n \"data\": {\"a\":\"{\", \"list\":[1,{\"b\":2}]} }"},
		{"nothing", "data.a=", "{ \"type\":\"x\",\n \"data\": {\"a\":\"\", \"list\":[1,{\"b\":2}]} }"},
		{"null", "data.a=null", "{ \"type\":\"x\",\n \"data\": {\"a\":null, \"list\":[1,{\"b\":2}]} }"},
		{"object", `data={"c":[true]}`, "{ \"type\":\"x\",\n \"data\": {\"c\":[true]} }"},
		{"element", "data.list.1.b=3", "{ \"type\":\"x\",\n \"data\": {\"a\":1.50, \"list\":[1,{\"b\":3}]} }"},
		{"value with an equals sign", "type=a=b", "{ \"type\":\"a=b\",\n \"data\": {\"a\":1.50, \"list\":[1,{\"b\":2}]} }"},
	} {
		got, err := Assign([]byte(body), test.assignment)
		require.NoError(t, err, test.name)
		require.Equal(t, test.want, string(got), test.name)
	}
}

func TestAssignAddsWhatIsMissing(t *testing.T) {
	t.Parallel()
	for assignment, want := range map[string]string{
		"b=2":      `{"a":1,"b":2}`,
		"b.c.d=2":  `{"a":1,"b":{"c":{"d":2}}}`,
		`b\.c=2`:   `{"a":1,"b.c":2}`,
		"user_id=": `{"a":1,"user_id":""}`,
	} {
		got, err := Assign([]byte(`{"a":1}`), assignment)
		require.NoError(t, err, assignment)
		require.Equal(t, want, string(got), assignment)
	}
}

func TestAssignRefusesAPathThatNamesNoOnePlace(t *testing.T) {
	t.Parallel()
	for _, assignment := range []string{
		"", "a", "=1", ".a=1", "a.=1", "a..b=1", "*=1", "a?=1", "a|b=1", "#=1", "@this=1", "a.@reverse=1", `a\=1`, "a.b=1",
	} {
		_, err := Assign([]byte(`{"a":1}`), assignment)
		require.ErrorContains(t, err, "--set "+assignment+": ", assignment)
	}
}
