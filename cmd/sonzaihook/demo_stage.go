package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/sonzaihook/sonzaihook"
)

// stage is the receiver of the demo, with callbacks that write down what they
// were given. It is safe for concurrent use.
type stage struct {
	hooks  *sonzaihook.Receiver
	secret string

	mu     sync.Mutex
	note   note
	failed map[string]bool // the events whose callback has failed once
}

// note is what happened inside of the receiver during one delivery.
type note struct {
	runs int    // how often a callback ran
	saw  string // what it was given
	err  error  // what the log and the observer know, and the sender does not
}

// faultyID is the id of the event whose callback fails at first.
const faultyID = "evt_01JFAULTY"

var errOutage = errors.New("the callback's database is down")

func newStage(secret string, logger *slog.Logger) (*stage, error) {
	s := &stage{secret: secret, failed: map[string]bool{}}
	hooks, err := sonzaihook.New(sonzaihook.Secret(secret),
		sonzaihook.WithLogger(logger), sonzaihook.WithObserver(s.observe))
	if err != nil {
		return nil, err
	}
	s.hooks = hooks
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
	return s, nil
}

func moods(diary []sonzaihook.DiaryEntry) string {
	var list []string
	for _, entry := range diary {
		list = append(list, entry.Mood)
	}
	return strings.Join(list, ", ")
}

// saw notes a run of a callback.
func (s *stage) saw(id, format string, values ...any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note.runs++
	s.note.saw = fmt.Sprintf(format, values...)
	if id == faultyID && !s.failed[id] {
		s.failed[id] = true
		return errOutage
	}
	return nil
}

func (s *stage) observe(_ context.Context, out sonzaihook.Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note.err = out.Err
}

// take returns what was noted since the last call.
func (s *stage) take() note {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.note
	s.note = note{}
	return taken
}
