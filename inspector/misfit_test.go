package inspector_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// order is a struct of a user's own.
type order struct {
	Total int `json:"total"`
	Item  struct {
		Name string `json:"name"`
	} `json:"item"`
}

func TestAStructThatDoesNotFitIsNamed(t *testing.T) {
	t.Parallel()
	orders := func(d *desk) {
		sonzaihook.On(d.hooks, "shop.order", func(context.Context, *sonzaihook.Event[order]) error { return nil })
	}
	kept := func(d *desk) {
		orders(d)
		d.hooks.OnDeadLetter(func(context.Context, *sonzaihook.Delivery, error) error { return nil })
	}
	refusing := func(d *desk) {
		sonzaihook.On(d.hooks, "shop.order", func(context.Context, *sonzaihook.Event[struct{}]) error {
			return sonzaihook.Permanent(nil)
		})
	}
	const misfit = `{"event_type":"shop.order","event_id":"evt_1","agent_id":"a","data":{"total":"<b>a lot","item":{"name":{}}}}`
	for name, c := range map[string]struct {
		register func(*desk)
		body     string
		status   int
		want     []string
		not      []string
	}{
		"a struct of one's own": {orders, misfit, 500,
			[]string{
				"fields did not fit <code><bdi>inspector_test.order</bdi></code>", "<bdi>total</bdi>", "<bdi>item.name</bdi>",
				"so none ran, and there is no dead letter to keep it", "up to four times", "Change the type of the field",
			}, []string{"A callback returned an error", "these names in <code>Misfit</code>", "<b>a lot"}},
		"a struct of one's own, kept": {kept, misfit, 422,
			[]string{"<bdi>item.name</bdi>", "so none ran. The dead letter has it", "a 4xx is final"}, []string{"A callback refused it for good"}},
		"what stands round the payload of one's own": {orders, `{"event_type":"shop.order","event_id":"evt_1","agent_id":[1],"data":{"total":1}}`, 200,
			[]string{"One field did not fit the struct of this type", "<bdi>agent_id</bdi>"}, nil},
		"another refusal": {refusing, misfit, 422, []string{"A callback refused it for good"}, []string{"did not fit"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			c.register(d)
			require.Equal(t, c.status, d.deliver([]byte(c.body)))
			shown := d.get("/deliveries/1").Body.String()
			for _, want := range c.want {
				require.Contains(t, shown, want)
			}
			for _, not := range c.not {
				require.NotContains(t, shown, not)
			}
		})
	}
}

func TestFieldsThatDoNotFitAreNamed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	require.Equal(t, http.StatusOK, d.deliver([]byte(`{"event_type":"agent.memory_added","event_id":"e1","data":{"importance":{},"confidence":[],"atomic_text":"a"}}`)))
	require.Equal(t, http.StatusOK, d.message())
	page := d.get("/deliveries/1").Body.String()
	require.True(t, containsAll(page, "2 fields did not fit", "<bdi>importance</bdi>", "<bdi>confidence</bdi>"), page)
	require.NotContains(t, d.get("/deliveries/2").Body.String(), "did not fit")

	// What no signature proves is not decoded.
	d.deliver([]byte(`{"event_type":"agent.memory_added","event_id":"e2","data":{"importance":{}}}`), hooktest.Unsigned())
	require.NotContains(t, d.get("/deliveries/3").Body.String(), "did not fit")
	require.Contains(t, d.get("/").Body.String(), "3")
	require.EqualValues(t, 1, d.ran.Load(), "to show a delivery runs no callback")
}
