package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestABodyIsAsLongAsItSaysAndTheSameEveryTime(t *testing.T) {
	t.Parallel()
	for _, s := range sizes {
		for _, l := range []layout{sonzaiLayout, stripeLayout} {
			for _, k := range []shape{plainText, markedText, shortValues} {
				b := newShapedBody(s.bytes, l, k)
				require.Len(t, b.bytes, s.bytes)
				require.True(t, json.Valid(b.bytes))
				require.Equal(t, b.bytes, newShapedBody(s.bytes, l, k).bytes)
				require.Positive(t, b.items)
			}
		}
	}
}

func TestOnlyTheShapedProseNeedsUnescaping(t *testing.T) {
	t.Parallel()
	require.NotContains(t, string(newShapedBody(16<<10, sonzaiLayout, plainText).bytes), `\`)
	require.Contains(t, string(newShapedBody(16<<10, sonzaiLayout, markedText).bytes), `\"`)
}

func TestEveryEventOfABodyHasIdsOfItsOwn(t *testing.T) {
	t.Parallel()
	b := newBody(400, sonzaiLayout)
	b.setID(1234)
	var event struct {
		EventID string `json:"event_id"`
		UserID  string `json:"user_id"`
		Data    struct {
			FactID string `json:"fact_id"`
		} `json:"data"`
	}
	require.NoError(t, json.Unmarshal(b.bytes, &event))
	require.Equal(t, "evt_00001234", event.EventID)
	require.Equal(t, "user_00001234", event.UserID)
	require.Equal(t, "fact_00001234", event.Data.FactID)
	require.Len(t, b.bytes, 400)
}

func TestACloneIsAnEventOfItsOwn(t *testing.T) {
	t.Parallel()
	b := newBody(400, sonzaiLayout)
	c := b.clone()
	c.setID(7)
	require.NotEqual(t, b.bytes, c.bytes)
}
