package upstream_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
	"github.com/sonzaihook/sonzaihook/internal/traffic"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

var silent = slog.New(slog.DiscardHandler)

// platform is a simulator behind a real socket. Every call is kept, for
// checks/contract holds it against the platform's document.
type platform struct {
	*simulator.Simulator
	client   *sonzaiapi.Client
	webhooks sonzaiapi.Webhooks
	project  sonzaiapi.Project
}

// newPlatform tries each delivery up to four times within a fraction of a second.
func newPlatform(t *testing.T, opts ...simulator.Option) platform {
	t.Helper()
	sim, err := simulator.New(append([]simulator.Option{simulator.WithSpeed(100)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	server := httptest.NewServer(traffic.Keep(t, sim))
	t.Cleanup(server.Close)
	client, err := sonzaiapi.New(simulator.DefaultAPIKey, sonzaiapi.WithBaseURL(server.URL+simulator.BasePath),
		sonzaiapi.WithRetries(1, time.Millisecond, time.Millisecond), sonzaiapi.WithLogger(silent))
	require.NoError(t, err)
	return platform{sim, client, client.Webhooks(), client.Project(simulator.DefaultProject)}
}

func (p platform) emit(t *testing.T, e simulator.Event) string {
	t.Helper()
	id, err := p.Emit(t.Context(), e)
	require.NoError(t, err)
	return id
}

func (p platform) wait(t *testing.T) {
	t.Helper()
	require.NoError(t, p.Wait(t.Context()))
}

// codes are the answers to the attempts of a type, the oldest first.
func (p platform) codes(typ sonzaihook.EventType) (codes []int) {
	for _, a := range p.Attempts("", string(typ)) {
		codes = append(codes, a.Code)
	}
	return codes
}

// pending returns how many notifications of the project wait.
func (p platform) pending(t *testing.T) int {
	t.Helper()
	list, err := p.project.Notifications(t.Context(), sonzaiapi.ProjectQuery{Limit: 200})
	require.NoError(t, err)
	return len(list)
}

// run is one run of a callback.
type run struct {
	source sonzaihook.Source
	typ    sonzaihook.EventType
	id     string
}

// ledger records the runs of the callbacks, of one receiver or several.
type ledger struct{ recorder.List[run] }

func (l *ledger) sources() (sources []sonzaihook.Source) {
	for _, r := range l.All() {
		sources = append(sources, r.source)
	}
	return sources
}

func (l *ledger) ids() (ids []string) {
	for _, r := range l.All() {
		ids = append(ids, r.id)
	}
	return ids
}

// listen registers a callback for each type that notes its runs.
func (l *ledger) listen(hooks *sonzaihook.Receiver, types ...sonzaihook.EventType) {
	for _, typ := range types {
		sonzaihook.On(hooks, typ, func(context.Context, *sonzaihook.Event[json.RawMessage]) error { return nil })
	}
	hooks.Use(func(next sonzaihook.Handler) sonzaihook.Handler {
		return func(ctx context.Context, d *sonzaihook.Delivery) error {
			if err := next(ctx, d); err != nil {
				return err
			}
			l.Add(run{d.Source, d.Type, eventID(d)})
			return nil
		}
	})
}

// eventID is the id in the body, or else the identity of the delivery.
func eventID(d *sonzaihook.Delivery) string {
	var event struct {
		ID string `json:"event_id"`
	}
	if json.Unmarshal(d.Body, &event) == nil && event.ID != "" {
		return event.ID
	}
	return d.ID
}

// newHooks returns a receiver that has only the given secrets.
func newHooks(t *testing.T, secrets sonzaihook.Secrets, options ...sonzaihook.Option) *sonzaihook.Receiver {
	t.Helper()
	return recorder.New(t, upstream.InitialSecrets(secrets), options...).Receiver
}

// site is a server at one address that can be stopped and started again.
type site struct {
	address string
	server  *http.Server
}

// newSite returns a site that is not started.
func newSite(t *testing.T) *site {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	s := &site{address: listener.Addr().String()}
	t.Cleanup(func() {
		if s.server != nil {
			_ = s.server.Close()
		}
	})
	return s
}

func (s *site) url() string { return "http://" + s.address + "/webhooks/sonzai/{event}" }

func (s *site) start(t *testing.T, hooks *sonzaihook.Receiver) {
	t.Helper()
	var listener net.Listener
	require.Eventually(t, func() (ok bool) {
		var err error
		listener, err = net.Listen("tcp", s.address)
		return err == nil
	}, 5*time.Second, 5*time.Millisecond, "the address is taken")
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/sonzai/{event}", hooks)
	s.server = &http.Server{Handler: mux, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go func() { _ = s.server.Serve(listener) }()
}

// serve starts a site with the receiver.
func serve(t *testing.T, hooks *sonzaihook.Receiver) *site {
	t.Helper()
	s := newSite(t)
	s.start(t, hooks)
	return s
}

// vault stands for wherever an application saves its secrets.
type vault struct {
	mu      sync.Mutex
	secrets sonzaihook.Secrets
}

// save keeps a secret and the one before it, which still signs what is under way.
func (v *vault) save(t sonzaihook.EventType, secret sonzaiapi.Secret) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.secrets == nil {
		v.secrets = sonzaihook.Secrets{}
	}
	kept := []string{string(secret)}
	if before := v.secrets[t]; len(before) > 0 {
		kept = append(kept, before[0])
	}
	v.secrets[t] = kept
	return nil
}

func (v *vault) load() sonzaihook.Secrets {
	v.mu.Lock()
	defer v.mu.Unlock()
	secrets := sonzaihook.Secrets{}
	for t, s := range v.secrets {
		secrets[t] = append([]string(nil), s...)
	}
	return secrets
}

// subscribed is a receiver behind a site that the platform knows.
func subscribed(t *testing.T, p platform, hooks *sonzaihook.Receiver) (*site, *vault) {
	t.Helper()
	s, v := serve(t, hooks), &vault{}
	_, err := upstream.Subscribe(t.Context(), hooks, p.webhooks, s.url(), upstream.WithSecretSink(v.save))
	require.NoError(t, err)
	return s, v
}

const (
	message = sonzaihook.EventMessage
	mood    = sonzaihook.EventMoodChange
	wakeup  = sonzaihook.EventWakeup
)

// say is an event with a message.
func say(id string) simulator.Event {
	return simulator.Event{
		Type: string(message), AgentID: "agent_1", UserID: "user_1",
		Data: map[string]string{"message_id": id, "content": "Hello!"},
	}
}
