package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

// The projects of the simulated platform, beside that of the API key.
const (
	projectAcme   = "proj_acme"
	projectBistro = "proj_bistro"
	projectQueue  = "proj_queue"
)

// Where the receivers of projects are mounted.
const (
	projectsPath = "/webhooks/sonzai/{project}/{event}"
	queuePath    = "/webhooks/queued/{project}/{event}"
)

// scenario is what the demo needs: a receiver, another one with a queue, and a
// platform, behind HTTP servers, and a recorder that observes them.
type scenario struct {
	recorder
	now    func() time.Time
	logger *slog.Logger

	hooks    *sonzaihook.Receiver
	handler  http.Handler     // the receiver, and what wraps it
	receiver *delivery.Server // nil while it is down
	url      string           // of the receiver

	sim      *simulator.Simulator
	platform *delivery.Server
	client   *sonzaiapi.Client

	attempts int
	load     int
	secrets  map[sonzaihook.EventType]string

	behind      *sonzaihook.Receiver // takes deliveries into the spool
	spool       spool
	serviceDown atomic.Bool // what the callback of behind needs

	subscription *upstream.Subscription
	opening      delivery.SignedRequest // the first delivery, to come again
}

func newScenario(now func() time.Time, logger *slog.Logger, attempts, load int) *scenario {
	return &scenario{
		now: now, logger: logger, attempts: attempts, load: load, secrets: map[sonzaihook.EventType]string{},
	}
}

// open starts the receiver and the platform. After an error, close ends what was
// started.
func (s *scenario) open(ctx context.Context, wrap func(http.Handler) http.Handler) (err error) {
	s.hooks, err = sonzaihook.New(upstream.InitialSecrets(nil), sonzaihook.WithLogger(s.logger),
		sonzaihook.WithIdentity(sonzaihook.NaturalIdentity), sonzaihook.WithObserver(s.observe))
	if err != nil {
		return err
	}
	s.callbacks(s.hooks)
	if err := s.openQueue(); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", s.hooks)
	mux.Handle(projectsPath, s.hooks)
	mux.Handle(queuePath, s.behind)
	s.handler = mux
	if wrap != nil {
		s.handler = wrap(mux)
	}
	s.handler = s.signatures(s.handler)
	if s.receiver, err = delivery.Serve(ctx, "127.0.0.1:0", s.handler); err != nil {
		return err
	}
	s.url = s.receiver.URL() + "/webhooks/sonzai"
	s.sim, err = simulator.New(simulator.WithObserver(s.attempted),
		simulator.WithProjects(simulator.DefaultProject, projectAcme, projectBistro, projectQueue),
		simulator.WithAttempts(s.attempts, 20*time.Millisecond, time.Second))
	if err != nil {
		return err
	}
	if s.platform, err = delivery.Serve(ctx, "127.0.0.1:0", s.sim); err != nil {
		return err
	}
	s.client, err = sonzaiapi.New(simulator.DefaultAPIKey, sonzaiapi.WithLogger(s.logger),
		sonzaiapi.WithBaseURL(s.platform.URL()+simulator.BasePath))
	return err
}

// openQueue makes a receiver that takes deliveries into a queue.
func (s *scenario) openQueue() (err error) {
	if s.spool.folder, err = os.MkdirTemp("", "sonzaihook-demo-"); err != nil {
		return err
	}
	s.behind, err = sonzaihook.New(upstream.InitialSecrets(nil), sonzaihook.WithLogger(s.logger),
		sonzaihook.WithObserver(s.observe), sonzaihook.WithHandOff(s.spool.put))
	if err != nil {
		return err
	}
	s.behind.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		err := s.saw(e.ID, "“%s”", e.Data.Content)
		if s.serviceDown.Load() {
			err = errServiceDown
		}
		return err
	})
	return nil
}

// close ends what was opened.
func (s *scenario) close(ctx context.Context) error {
	var err error
	if s.sim != nil {
		s.sim.Close()
	}
	if s.hooks != nil {
		err = s.hooks.Shutdown(ctx)
	}
	if s.behind != nil {
		err = errors.Join(err, s.behind.Shutdown(ctx))
	}
	if s.spool.folder != "" {
		err = errors.Join(err, os.RemoveAll(s.spool.folder))
	}
	for _, server := range []*delivery.Server{s.receiver, s.platform} {
		if server != nil {
			err = errors.Join(err, server.Stop(ctx))
		}
	}
	return err
}

// down ends the receiver's server, and up starts it again at the same address.
func (s *scenario) down(ctx context.Context) error {
	err := s.receiver.Stop(ctx)
	s.receiver = nil
	return err
}

func (s *scenario) up(ctx context.Context) (err error) {
	address := strings.TrimSuffix(strings.TrimPrefix(s.url, "http://"), "/webhooks/sonzai")
	for range 50 {
		if s.receiver, err = delivery.Serve(ctx, address, s.handler); !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
		time.Sleep(20 * time.Millisecond) // another program has the port for a moment
	}
	return err
}

// keepSecret is what a server does with a new secret: here, in memory.
func (s *scenario) keepSecret(t sonzaihook.EventType, secret sonzaiapi.Secret) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets[t] = string(secret)
	return nil
}

// callbacks registers a callback for each type.
func (s *scenario) callbacks(hooks *sonzaihook.Receiver) {
	hooks.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		return s.saw(e.ID, "“%s”", e.Data.Content)
	})
	hooks.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
		return s.saw(e.ID, "%s, valence %g (%+g)", e.Data.Label, e.Data.Valence, e.Data.DeltaValence)
	})
	hooks.OnMemoryAdded(func(_ context.Context, e *sonzaihook.MemoryAddedEvent) error {
		return s.saw(e.ID, "“%s”", e.Data.AtomicText)
	})
	hooks.OnBreakthrough(func(_ context.Context, e *sonzaihook.BreakthroughEvent) error {
		return s.saw(e.ID, "level %d, %s evolved", e.Data.LevelAtBreakthrough, e.Data.TraitEvolved)
	})
	hooks.OnWakeup(func(_ context.Context, e *sonzaihook.WakeupEvent) error {
		return s.saw(e.ID, "to %s", e.Data.Wakeup.Intent)
	})
	hooks.OnConsolidation(func(_ context.Context, e *sonzaihook.ConsolidationEvent) error {
		return s.saw(e.ID, "%s, %d memories, diary: %s", e.Data.Period, e.Data.ConsolidationProcessed, moods(e.Data.DiaryEntries))
	})
}

func moods(diary []sonzaihook.DiaryEntry) string {
	var list []string
	for _, entry := range diary {
		list = append(list, entry.Mood)
	}
	return strings.Join(list, ", ")
}

// dial says in a few words why a delivery did not arrive.
func dial(why string) string {
	if strings.Contains(why, syscall.ECONNREFUSED.Error()) {
		return syscall.ECONNREFUSED.Error()
	}
	return fmt.Sprintf("%.40s", why)
}
