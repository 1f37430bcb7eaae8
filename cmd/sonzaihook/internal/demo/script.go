package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
)

// step is a part of the scenario. It returns a row for each thing that happened.
type step struct {
	name string
	run  func(context.Context) ([]row, error)
}

func (s *scenario) steps() []step {
	return []step{
		{"subscribing", s.subscribe},
		{"pushing an event of each type", s.push},
		{"sending what was not signed so", s.attack},
		{"failing once", s.fail},
		{"missing one while the receiver is down", s.miss},
		{"recovering it", s.recover},
		{"polling", s.poll},
		{"serving two projects", s.sideBySide},
		{"queueing one while its callback cannot run", s.queue},
		{"rotating a secret under load", s.rotate},
		{"unsubscribing", s.unsubscribe},
	}
}

// play runs all steps.
func (s *scenario) play(ctx context.Context, progress *console.Progress) (result, error) {
	r, start := result{url: s.url}, time.Now()
	for _, step := range s.steps() {
		progress.Say("%s …", step.name)
		rows, err := step.run(ctx)
		if err != nil {
			return result{}, fmt.Errorf("%s: %w", step.name, err)
		}
		r.rows = append(r.rows, rows...)
	}
	r.duration = time.Since(start)
	return r, nil
}
