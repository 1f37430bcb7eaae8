package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/internal/wire"
)

func TestTypeIsPeekedOnlyWhereItCanBeTrusted(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"event_type":"a"}`:                          "a",
		`{"type":"b","event_type":"a"}`:               "a",
		`{"event":"c","type":"b"}`:                    "b",
		`{"event":"c"}`:                               "c",
		`{"event":{"type":"x"},"type":"b"}`:           "b",
		`{"x":{"event_type":"x"},"event_type":"a"}`:   "a",
		`{"x":"\"event_type\":\"x\"","type":"b"}`:     "b",
		`{"x":"\\","type":"b"}`:                       "b",
		`{"x":[1,2,{"y":"]}"}],"n":1e5 , "type":"b"}`: "b",
		`{"event_type":5,"type":"b"}`:                 "b",
		`{"event_type":null,"type":"b"}`:              "b",
		`{}`:                                          "",
		``:                                            "",
		`[]`:                                          "",
		`"event_type"`:                                "",
		`{"event_type"`:                               "",
		`{"event_type":`:                              "",
		`{"event_type":"a`:                            "",
		`{"x":1`:                                      "",
		`{"x":"`:                                      "",
		`{"x":{`:                                      "",
		`{"x":1 "type":"b"}`:                          "",
		`{"x":1]`:                                     "",
		`{1:2,"type":"b"}`:                            "",
		`{"event\u005ftype":"a"}`:                     "",
		`{"event_type":"\u0061"}`:                     "",
		`{"type":"b","event_type":"\u0061"}`:          "",
	} {
		p, ok := wire.Peek([]byte(body), false)
		got := ""
		if ok {
			got = wire.Names{EventType: string(p.EventType), Type: string(p.Type), Event: string(p.Event)}.Choose(func(string) bool { return true })
		}
		require.Equal(t, want, got, body)
	}
}
