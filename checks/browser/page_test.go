package browser

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

func TestDeliveriesAppearAsTheyArrive(t *testing.T) {
	s := serve(t)
	b := s.open("/")
	b.live()
	require.Equal(t, 0, eval[int](b, `document.querySelectorAll("a.row").length`))
	s.deliver(sonzaihook.EventMessage)
	s.deliver(sonzaihook.EventMoodChange)
	s.deliver(sonzaihook.EventMoodChange, hooktest.Tampered())
	b.until(`document.querySelectorAll("ol.rows a.row").length === 3`)
	require.Equal(t, []string{"unauthorized", "processed", "processed"},
		eval[[]string](b, `[...document.querySelectorAll("ol.rows [data-text=code]")].map(e => e.textContent)`))
	require.Contains(t, b.text("#d1"), "agent_luna")
	require.Equal(t, "3", b.text("[data-count=all]"))
	require.True(t, eval[bool](b, `document.querySelector(".empty").hidden`))
}

func TestPictures(t *testing.T) {
	s := serve(t)
	s.deliver(sonzaihook.EventMessage)
	s.deliver(sonzaihook.EventMemoryAdded)
	s.deliver(sonzaihook.EventMoodChange, hooktest.Stale())
	s.deliver(sonzaihook.EventBreakthrough)
	s.deliver(sonzaihook.EventWakeup)
	s.deliver(sonzaihook.EventMoodChange, hooktest.Tampered())
	s.failing.Store(true)
	s.deliver(sonzaihook.EventMoodChange)
	s.failing.Store(false)
	s.deliver(sonzaihook.EventMoodChange)
	s.deliver(sonzaihook.EventMessage)
	light := s.open("/", chromedp.EmulateViewport(1280, 800), scheme("light"))
	light.live()
	light.picture("list-light")
	for name, path := range map[string]string{"show": "/deliveries/8", "tampered": "/deliveries/6", "send": "/send", "failed": "/deliveries/7"} {
		s.open(path, chromedp.EmulateViewport(1280, 1100), scheme("light")).picture(name + "-light")
		s.open(path, chromedp.EmulateViewport(360, 740, chromedp.EmulateScale(2), chromedp.EmulateMobile), scheme("dark")).picture(name + "-dark")
	}
	s.open("/", chromedp.EmulateViewport(360, 740, chromedp.EmulateScale(2), chromedp.EmulateMobile), scheme("dark")).picture("list-dark")
}
