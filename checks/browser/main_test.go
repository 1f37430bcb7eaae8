package browser

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/inspector"
)

// browser is the context of a Chromium that all tests share; nil where there is none.
var browser context.Context

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		ctx, cancel := chromedp.NewContext(context.Background(), chromedp.WithAllocatorOptions(
			chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true),
		))
		defer cancel()
		if err := chromedp.Do(ctx); err == nil {
			browser = ctx
		}
		break
	}
	return m.Run()
}

// server is a receiver with an inspector on a free port.
type server struct {
	*httptest.Server
	t       *testing.T
	page    *inspector.Inspector
	ran     atomic.Int32
	failing atomic.Bool
}

func serve(t *testing.T, options ...inspector.Option) *server { return serveWith(t, nil, options...) }

func serveWith(t *testing.T, of []sonzaihook.Option, options ...inspector.Option) *server {
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret), of...)
	require.NoError(t, err)
	s := &server{t: t}
	callback := func() error {
		s.ran.Add(1)
		if s.failing.Load() {
			return errors.New("save mood: connection refused")
		}
		return nil
	}
	hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error { return callback() })
	hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { return callback() })
	hooks.OnMemoryAdded(func(context.Context, *sonzaihook.MemoryAddedEvent) error { return callback() })
	hooks.OnBreakthrough(func(context.Context, *sonzaihook.BreakthroughEvent) error { return callback() })
	s.page = inspector.New(hooks, append([]inspector.Option{inspector.WithSecrets(sonzaihook.Secret(hooktest.Secret))}, options...)...)
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/sonzai", s.page.Capture(hooks))
	mux.Handle("/inspector/", s.page.Handler())
	s.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		s.page.Close()
		s.Close()
	})
	return s
}

// post delivers a body as the platform does, over the network.
func (s *server) post(body []byte, options ...hooktest.Option) {
	made := hooktest.NewRequest(s.t, body, options...)
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.URL+"/webhooks/sonzai", made.Body)
	require.NoError(s.t, err)
	req.Header = made.Header
	answer, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	require.NoError(s.t, answer.Body.Close())
}

func (s *server) deliver(typ sonzaihook.EventType, options ...hooktest.Option) {
	s.post(hooktest.Fixture(s.t, typ), options...)
}

// tab is a page of the browser.
type tab struct {
	t   *testing.T
	ctx context.Context
	s   *server
}

// open opens a page of the inspector. The test fails if the browser logs anything,
// such as a violation of the page's policy.
func (s *server) open(path string, before ...chromedp.Action[chromedp.Void]) *tab {
	s.t.Helper()
	if browser == nil {
		s.t.Skip("no Chromium here: apt-get install chromium")
	}
	ctx, cancel := chromedp.NewContext(browser)
	s.t.Cleanup(cancel)
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	s.t.Cleanup(stop)
	b := &tab{t: s.t, ctx: ctx, s: s}
	b.do(before...)
	require.NoError(s.t, chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			s.t.Errorf("the page threw: %v", e.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError {
				s.t.Errorf("the browser says: %v %v", e.Entry.Text, e.Entry.URL)
			}
		}
	}))
	b.do(chromedp.Navigate(s.URL + "/inspector" + path))
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, steps...))
}

// eval returns the value of an expression.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	require.NoError(b.t, err)
	return v
}

// until waits for an expression to be true.
func (b *tab) until(expression string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		v, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression))
		return err == nil && v
	}, 20*time.Second, 30*time.Millisecond, expression)
}

// at waits until the browser has loaded the page whose path ends so.
func (b *tab) at(path string) {
	b.t.Helper()
	b.until(`location.pathname.endsWith("` + path + `") && document.readyState === "complete"`)
}

func (b *tab) live() { b.until(`document.querySelector(".pulse").dataset.state === "on"`) }

func (b *tab) text(css string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.TextContent(chromedp.CSS(css)))
	require.NoError(b.t, err)
	return text
}

// scheme sets the reader's preference, "light" or "dark".
func scheme(name string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
		})
		return chromedp.Void{}, err
	}
}

// picture saves what is to be seen, if a folder for it is given.
func (b *tab) picture(name string) {
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(filepath.Join(folder, name+".png"), png, 0o600))
}
