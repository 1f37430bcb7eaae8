package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
)

type mood struct {
	Label string `json:"label"`
	Depth int    `json:"depth"`
}

func TestAMessageIsDecodedInEitherLayout(t *testing.T) {
	t.Parallel()
	layouts := NewLayouts[mood]()
	for _, body := range []string{
		`{"event_id":"e","data":{"label":"calm","depth":2,"agent_id":"a"}}`,
		`{"event_id":"e","payload":{"label":"calm","depth":2,"agent_id":"a"}}`,
		`{"event_id":"e","agent_id":"a","label":"calm","depth":2}`,
		"\ufeff" + `{"event_id":"e","agent_id":"a","label":"calm","depth":2}`,
	} {
		m := NewMessage([]byte(body))
		var data mood
		require.NoError(t, layouts.Decode(m, &data))
		require.Equal(t, mood{"calm", 2}, data, body)
		require.Equal(t, []string{"e", "a"}, []string{m.EventID(), m.Env.AgentID}, body)
		require.Nil(t, m.Content)
		m.Release()
	}
}

func TestContentIsFoundAfterTheEnvelopeWasDecoded(t *testing.T) {
	t.Parallel()
	m := NewMessage([]byte(`{"event_id":"e","data":{"label":"calm","depth":"deep"}}`))
	defer m.Release()
	require.NoError(t, NewLayouts[mood]().Decode(m, new(mood)))
	require.Equal(t, []string{"depth"}, m.Misfit)
	m.Env.AgentID = "set by the decoder"
	require.NoError(t, m.FindContent())
	require.JSONEq(t, `{"label":"calm","depth":"deep"}`, string(m.Content))
	require.Equal(t, "set by the decoder", m.Env.AgentID)
	require.Equal(t, []string{"depth"}, m.Misfit)
}

func TestAFlatBodyIsItsContent(t *testing.T) {
	t.Parallel()
	for body, content := range map[string]string{
		`{"id":"e","n":1}`:             `{"id":"e","n":1}`,
		`{"id":"e","data":null,"n":1}`: `{"id":"e","data":null,"n":1}`,
		`{"id":"e","data":[1,2]}`:      `[1,2]`,
		`{"id":"e","payload":"text"}`:  `"text"`,
	} {
		m := NewMessage([]byte(body))
		require.NoError(t, m.FindContent())
		require.JSONEq(t, content, string(m.Content))
		require.Equal(t, "e", m.EventID())
		m.Release()
	}
}

func TestAPlaceholderIsNoEventID(t *testing.T) {
	t.Parallel()
	for body, id := range map[string]string{
		`{"event_id":"null","id":"e"}`:      "e",
		`{"event_id":"0","id":"undefined"}`: "",
		`{}`:                                "",
	} {
		m := NewMessage([]byte(body))
		require.NoError(t, m.FindContent())
		require.Equal(t, id, m.EventID(), body)
		m.Release()
	}
}

func TestABodyThatIsNoJSONLeavesAMessageAsItWas(t *testing.T) {
	t.Parallel()
	m := NewMessage([]byte(`{"event_id":"e"`))
	defer m.Release()
	require.ErrorIs(t, m.FindContent(), ErrUndecodable)
	require.ErrorIs(t, NewLayouts[mood]().Decode(m, new(mood)), ErrUndecodable)
	require.Nil(t, m.Content)
}
