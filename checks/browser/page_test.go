package browser

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/inspector"
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

func TestAHostileBodyIsText(t *testing.T) {
	s := serve(t)
	b := s.open("/")
	b.live()
	evil := `<img src=x onerror="document.title='taken'"><script>document.title='taken'</script>` + "\u202egpj.exe"
	body, err := json.Marshal(map[string]any{
		"event_type": "<b>type</b>\u202e", "agent_id": evil, "data": map[string]any{"content": evil, evil: evil},
	})
	require.NoError(t, err)
	s.post(body)
	b.until(`document.querySelectorAll("ol.rows a.row").length === 1`)
	require.Equal(t, "<b>type</b>‹U+202E›", b.text("#d1 [data-text=type]"))
	b.do(chromedp.Click(chromedp.CSS("#d1")))
	b.at("/deliveries/1")
	require.Contains(t, b.text("blockquote"), "<script>document.title='taken'</script>")
	require.Contains(t, b.text("main"), "U+202E")
	require.NotContains(t, b.text("main"), "\u202e")
	require.Zero(t, eval[int](b, `document.querySelectorAll("main img, main script, main b").length`))
	require.NotEqual(t, "taken", eval[string](b, `document.title`))
}

func TestATamperedDeliveryIsExplained(t *testing.T) {
	s := serve(t)
	s.deliver(sonzaihook.EventMoodChange, hooktest.Tampered())
	b := s.open("/deliveries/1")
	require.Contains(t, b.text(".outcome"), "401")
	require.Contains(t, b.text(".findings"), "a space was added to the end of the body")
	require.Contains(t, b.text(".findings"), "before anything parses, prints or saves them")
	require.Contains(t, b.text(".headers"), "v1=••••")
	require.NotContains(t, eval[string](b, `document.documentElement.outerHTML`), hooktest.Secret)
}

func TestADeliveryIsReplayedFromThePage(t *testing.T) {
	s := serve(t)
	s.deliver(sonzaihook.EventMessage)
	b := s.open("/deliveries/1")
	b.do(chromedp.Click(chromedp.CSS(`button[value="copy"]`)))
	b.at("/deliveries/2")
	require.Contains(t, b.text(".outcome"), "duplicate")
	require.EqualValues(t, 1, s.ran.Load())
	b.do(chromedp.Click(chromedp.CSS(`button[value="new"]`)))
	b.at("/deliveries/3")
	require.Contains(t, b.text(".outcome"), "processed")
	require.EqualValues(t, 2, s.ran.Load())
}

func TestASampleIsSentFromThePage(t *testing.T) {
	s := serve(t)
	b := s.open("/send?type=agent.mood_change")
	b.do(chromedp.SetValue(chromedp.ID("agent_id"), "agent_of_mine"), chromedp.Click(chromedp.CSS("button.primary")))
	b.at("/deliveries/1")
	require.Contains(t, b.text(".outcome"), "processed")
	require.Contains(t, b.text("main"), "agent_of_mine")
	require.EqualValues(t, 1, s.ran.Load())
}

type switches struct {
	mu sync.Mutex
	on bool
}

func (s *switches) List() []inspector.Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []inspector.Fault{{Name: "drop-answer", Description: "The answer is lost on its way, so the platform sends again.", On: s.on}}
}

func (s *switches) Switch(_ string, on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on = on
	return nil
}

func TestAFaultIsSwitchedFromThePage(t *testing.T) {
	faults := new(switches)
	s := serve(t, inspector.WithFaults(faults))
	b := s.open("/faults")
	b.do(chromedp.Click(chromedp.CSS("[role=switch]")))
	b.until(`document.querySelector("[role=switch]")?.ariaChecked === "true"`)
	require.True(t, faults.List()[0].On)
}

func TestTheKeyboardIsEnough(t *testing.T) {
	s := serve(t)
	s.deliver(sonzaihook.EventMessage)
	s.deliver(sonzaihook.EventMoodChange)
	b := s.open("/")
	b.live()
	focused := func() string { return eval[string](b, `document.activeElement.id || document.activeElement.className`) }
	b.do(chromedp.KeyEvent("\t"))
	require.Equal(t, "skip", focused())
	require.GreaterOrEqual(t, eval[float64](b, `document.activeElement.getBoundingClientRect().top`), 0.0, "the link to the content is seen")
	b.do(chromedp.KeyEvent("\r"))
	require.Equal(t, "main", focused())
	b.do(chromedp.KeyEvent("j"))
	require.Equal(t, "d2", focused())
	require.NotEqual(t, "none", eval[string](b, `getComputedStyle(document.activeElement).outlineStyle`), "the focus is seen")
	b.do(chromedp.KeyEvent("j"))
	require.Equal(t, "d1", focused())
	b.do(chromedp.KeyEvent("j"), chromedp.KeyEvent("k"))
	require.Equal(t, "d2", focused())
	s.deliver(sonzaihook.EventMemoryAdded)
	b.until(`document.querySelectorAll("ol.rows a.row").length === 3`)
	require.Equal(t, "d2", focused(), "what arrives takes the focus from nothing")
	b.do(chromedp.KeyEvent("\r"))
	b.at("/deliveries/2")
	b.do(chromedp.KeyEvent("k"))
	b.at("/deliveries/3")
	b.do(chromedp.KeyEvent("\x1b"))
	b.at("/inspector/")
}

func TestDarkAndLightAreTheReadersChoice(t *testing.T) {
	s := serve(t)
	s.deliver(sonzaihook.EventMoodChange)
	for _, path := range []string{"/", "/deliveries/1", "/send"} {
		brightness := func(b *tab) float64 {
			return eval[float64](b, `Math.max(...getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g).map(Number))`)
		}
		require.Less(t, brightness(s.open(path, scheme("dark"))), 60.0, path)
		require.Greater(t, brightness(s.open(path, scheme("light"))), 200.0, path)
	}
}

// contrast returns the least contrast between the text of elements and what is
// behind them.
const contrast = `(() => {
	const light = (c) => { const [r, g, b] = c.match(/[\d.]+/g).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b };
	const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\)$/.test(c)) return c } };
	const ratios = [...document.querySelectorAll("main *, header *")].filter(e => e.checkVisibility() && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
		.map(e => [light(getComputedStyle(e).color), light(behind(e))]).map(([a, b]) => (Math.max(a, b) + .05) / (Math.min(a, b) + .05));
	return Math.min(...ratios);
})()`

func TestTextCanBeRead(t *testing.T) {
	s := serve(t)
	s.failing.Store(true)
	s.deliver(sonzaihook.EventMoodChange)
	s.failing.Store(false)
	s.deliver(sonzaihook.EventMoodChange)
	s.deliver(sonzaihook.EventMoodChange)
	s.deliver(sonzaihook.EventMoodChange, hooktest.Tampered())
	for _, look := range []string{"light", "dark"} {
		for _, path := range []string{"/", "/deliveries/1", "/deliveries/3", "/deliveries/4", "/send"} {
			require.GreaterOrEqual(t, eval[float64](s.open(path, scheme(look)), contrast), 4.5, "%s %s", look, path)
		}
	}
}

func TestNothingIsWiderThanAPhone(t *testing.T) {
	s := serve(t, inspector.WithFaults(new(switches)))
	s.deliver(sonzaihook.EventMessage)
	s.deliver(sonzaihook.EventMoodChange, hooktest.Tampered())
	long, err := json.Marshal(map[string]any{
		"event_type": strings.Repeat("long.", 60), "agent_id": strings.Repeat("a", 300), strings.Repeat("name", 80): strings.Repeat("w", 900),
		"nested": map[string]any{"a": map[string]any{"b": map[string]any{"c": map[string]any{"d": []any{strings.Repeat("x", 500)}}}}},
	})
	require.NoError(t, err)
	s.post(long)
	for _, path := range []string{"/", "/?show=refused", "/deliveries/1", "/deliveries/2", "/deliveries/3", "/send", "/send?type=agent.wakeup", "/faults"} {
		b := s.open(path, chromedp.EmulateViewport(360, 740, chromedp.EmulateMobile))
		require.Equal(t, 360, eval[int](b, `innerWidth`), path)
		require.LessOrEqual(t, eval[int](b, `document.documentElement.scrollWidth`), 360, path)
		b.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach(d => d.open = true)`))
		require.LessOrEqual(t, eval[int](b, `document.documentElement.scrollWidth`), 360, path)
	}
}

func TestAPageThatMissedSomethingSaysSo(t *testing.T) {
	s := serve(t)
	b := s.open("/?show=refused")
	b.live()
	for range 150 {
		s.post([]byte(`{"event_type":"agent.message"}`), hooktest.Unsigned())
	}
	b.until(`document.querySelectorAll("ol.rows a.row").length > 40`)
	b.until(`document.querySelector("[data-count=refused]").textContent === "100"`)
	require.LessOrEqual(t, eval[int](b, `document.querySelectorAll("ol.rows a.row").length`), 100)
}

func TestAHiddenPageKeepsNoConnectionAndCatchesUp(t *testing.T) {
	s := serve(t)
	b := s.open("/")
	b.live()
	hide := func(hidden string) {
		b.do(chromedp.Evaluate[chromedp.Void](`Object.defineProperty(document, "hidden", { value: ` + hidden + `, configurable: true }); document.dispatchEvent(new Event("visibilitychange"))`))
	}
	s.deliver(sonzaihook.EventMessage)
	b.until(`document.querySelectorAll("ol.rows a.row").length === 1`)
	hide("true")
	b.until(`document.querySelector(".pulse").dataset.state === "off"`)
	s.deliver(sonzaihook.EventMoodChange)
	s.deliver(sonzaihook.EventMoodChange, hooktest.Stale())
	require.Equal(t, 1, eval[int](b, `document.querySelectorAll("ol.rows a.row").length`))
	hide("false")
	b.until(`document.querySelectorAll("ol.rows a.row").length === 3`)
	b.live()
	require.True(t, eval[bool](b, `document.querySelector("a.more").hidden`), "nothing was missed")
}

// TestPictures makes the pictures of the documentation, where SCREENSHOTS names a
// folder for them.
func TestPictures(t *testing.T) {
	s := serve(t, inspector.WithFaults(new(switches)))
	about := func(typ sonzaihook.EventType, agent, id string, options ...hooktest.Option) {
		body := bytes.ReplaceAll(hooktest.Fixture(t, typ), []byte("agent_luna"), []byte(agent))
		s.post(bytes.Replace(body, []byte("evt_01"), []byte("evt_"+id), 1), options...)
	}
	about(sonzaihook.EventMessage, "agent_luna", "01")
	about(sonzaihook.EventMemoryAdded, "agent_luna", "02")
	about(sonzaihook.EventMoodChange, "agent_iris", "03")
	about(sonzaihook.EventBreakthrough, "agent_otto", "04")
	about(sonzaihook.EventConsolidation, "agent_luna", "05")
	s.failing.Store(true)
	about(sonzaihook.EventMoodChange, "agent_otto", "06")
	s.failing.Store(false)
	about(sonzaihook.EventMoodChange, "agent_otto", "06")
	about(sonzaihook.EventMessage, "agent_luna", "01")
	about(sonzaihook.EventMoodChange, "agent_iris", "07", hooktest.Tampered(), hooktest.At(time.Now().Add(-9*time.Minute)))
	desk, phone := chromedp.EmulateViewport(1180, 820), chromedp.EmulateViewport(360, 740, chromedp.EmulateScale(2), chromedp.EmulateMobile)
	b := s.open("/deliveries/9", desk, scheme("light"))
	require.Contains(t, b.text(".findings"), "a space was added to the end of the body")
	b.picture("inspector")
	list := s.open("/", phone, scheme("dark"))
	list.live()
	require.Equal(t, 9, eval[int](list, `document.querySelectorAll("ol.rows a.row").length`))
	list.picture("inspector-phone")
}
