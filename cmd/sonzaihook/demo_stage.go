package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

// stage is what the demo needs: a receiver and a platform, each behind a server
// of its own, and an observer of both.
type stage struct {
	witness
	now    func() time.Time
	logger *slog.Logger

	hooks    *sonzaihook.Receiver
	handler  http.Handler // the receiver, and what is round it
	receiver *server      // nil while it is down
	url      string       // of the receiver

	sim      *simulator.Simulator
	platform *server
	client   *sonzaiapi.Client

	attempts int
	load     int
	secrets  map[sonzaihook.EventType]string

	subscription *upstream.Subscription
	opening      parcel // the first delivery, to come again
}

// stage starts the receiver and the platform.
func (d *demo) stage(ctx context.Context) (*stage, error) {
	s := &stage{
		now: d.app.now, logger: d.logger(), attempts: d.attempts, load: d.load,
		secrets: map[sonzaihook.EventType]string{},
	}
	if err := s.open(ctx, d.around); err != nil {
		end, cancel := ending(ctx)
		defer cancel()
		return nil, errors.Join(err, s.close(end))
	}
	return s, nil
}

func (s *stage) open(ctx context.Context, around func(http.Handler) http.Handler) (err error) {
	s.hooks, err = sonzaihook.New(upstream.SecretsSoFar(nil), sonzaihook.WithLogger(s.logger),
		sonzaihook.WithIdentity(sonzaihook.NaturalIdentity), sonzaihook.WithObserver(s.observe))
	if err != nil {
		return err
	}
	s.callbacks(s.hooks)
	s.handler = s.hooks
	if around != nil {
		s.handler = around(s.hooks)
	}
	s.handler = s.signatures(s.handler)
	if s.receiver, err = serve(ctx, "127.0.0.1:0", s.handler); err != nil {
		return err
	}
	s.url = s.receiver.url() + "/webhooks/sonzai"
	s.sim, err = simulator.New(simulator.WithObserver(s.attempted),
		simulator.WithAttempts(s.attempts, 20*time.Millisecond, time.Second))
	if err != nil {
		return err
	}
	if s.platform, err = serve(ctx, "127.0.0.1:0", s.sim); err != nil {
		return err
	}
	s.client, err = sonzaiapi.New(simulator.DefaultAPIKey, sonzaiapi.WithLogger(s.logger),
		sonzaiapi.WithBaseURL(s.platform.url()+simulator.BasePath))
	return err
}

// close ends what was opened.
func (s *stage) close(ctx context.Context) error {
	var err error
	if s.sim != nil {
		s.sim.Close()
	}
	if s.hooks != nil {
		err = s.hooks.Shutdown(ctx)
	}
	for _, server := range []*server{s.receiver, s.platform} {
		if server != nil {
			err = errors.Join(err, server.stop(ctx))
		}
	}
	return err
}

// down ends the receiver's server, and up starts it again at the same address.
func (s *stage) down(ctx context.Context) error {
	err := s.receiver.stop(ctx)
	s.receiver = nil
	return err
}

func (s *stage) up(ctx context.Context) (err error) {
	address := strings.TrimSuffix(strings.TrimPrefix(s.url, "http://"), "/webhooks/sonzai")
	for range 50 {
		if s.receiver, err = serve(ctx, address, s.handler); !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
		time.Sleep(20 * time.Millisecond) // another program has the port for a moment
	}
	return err
}

// keepSecret is what a server does with a new secret: here, in memory.
func (s *stage) keepSecret(t sonzaihook.EventType, secret sonzaiapi.Secret) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets[t] = string(secret)
	return nil
}

// callbacks registers a callback for each type.
func (s *stage) callbacks(hooks *sonzaihook.Receiver) {
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
