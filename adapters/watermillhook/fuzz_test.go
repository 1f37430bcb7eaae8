package watermillhook_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/watermillhook"
)

// FuzzDelivery checks that a delivery comes out as it went in, whatever bytes its
// parts have, in metadata that every broker can carry.
func FuzzDelivery(f *testing.F) {
	f.Add("evt_1", "agent.message", "on_message", "proj", "traceparent", "00-1-2-01", int64(1_800_000_000), []byte(`{}`))
	f.Add("\x00\xff\r\n", "ü", "", "", "", "&=%zz", int64(-1), []byte{})
	f.Add("", "", "", "", "a b", "", int64(0), []byte("[]"))
	f.Fuzz(func(t *testing.T, id, typ, name, project, key, value string, at int64, body []byte) {
		var p topic
		in := &sonzaihook.Delivery{
			ID: id, Type: sonzaihook.EventType(typ), Name: name, Project: project, Source: sonzaihook.SourceWebhook,
			Body: body, Trace: map[string]string{key: value},
		}
		if at != 0 {
			in.SignedAt = time.Unix(at, 0)
		}
		require.NoError(t, watermillhook.Publish(&p, "sonzai")(t.Context(), in))
		msg := p.take(t)
		require.Len(t, msg.UUID, 64)
		for _, v := range msg.Metadata {
			for _, b := range []byte(v) {
				require.True(t, b > ' ' && b < 0x7f)
			}
		}
		out, err := watermillhook.Delivery(msg)
		require.NoError(t, err)
		require.Equal(t, []any{in.ID, in.Type, in.Name, in.Project, in.Trace}, []any{out.ID, out.Type, out.Name, out.Project, out.Trace})
		require.True(t, in.SignedAt.Equal(out.SignedAt))
		require.Equal(t, string(in.Body), string(out.Body))
		require.Equal(t, sonzaihook.SourceBroker, out.Source)
	})
}
