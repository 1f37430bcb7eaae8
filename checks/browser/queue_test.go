package browser

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/inspector"
)

func TestWhatDidNotFitIsNamedOnThePage(t *testing.T) {
	s := serve(t)
	s.post([]byte(`{"event_type":"agent.mood_change","event_id":"e1","data":{"valence":"high","label":"Warm"}}`))
	b := s.open("/deliveries/1")
	require.Contains(t, b.text(".outcome"), "processed")
	require.Contains(t, b.text(".misfit"), "One field did not fit")
	require.Equal(t, "valence", b.text(".misfit code"))
}

func TestADeliveryThatWasHandedOffShowsItsPlace(t *testing.T) {
	var place atomic.Pointer[inspector.Place]
	queue := inspector.QueueFunc(func(context.Context, string) (inspector.Place, bool, error) {
		if p := place.Load(); p != nil {
			return *p, true, nil
		}
		return inspector.Place{}, false, nil
	})
	s := serveWith(t, []sonzaihook.Option{sonzaihook.WithHandOff(func(context.Context, *sonzaihook.Delivery) error { return nil })}, inspector.WithQueue(queue))
	s.deliver(sonzaihook.EventMoodChange)
	for state, at := range map[string]*inspector.Place{
		"pending": {}, "running": {Attempts: 1, Running: true}, "dead": {Attempts: 12, Dead: true, Reason: "<b>no model</b>"},
		"retry": {Attempts: 1, EnqueuedAt: time.Now().Add(-time.Minute), Due: time.Now().Add(time.Minute), Reason: "no model"}, "done": nil,
	} {
		place.Store(at)
		b := s.open("/deliveries/1", chromedp.EmulateViewport(1180, 820))
		require.Contains(t, b.text(".outcome"), "202")
		require.Equal(t, state, b.text(".place .status"))
		require.GreaterOrEqual(t, eval[float64](b, contrast), 4.5, state)
		require.Zero(t, eval[int](b, `document.querySelectorAll(".place b").length`))
		if at != nil {
			require.Contains(t, b.text(".place"), at.Reason)
		}
		b.picture("place-" + state)
	}
}
