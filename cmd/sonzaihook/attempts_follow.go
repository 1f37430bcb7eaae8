package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// followed bounds how many attempts --follow remembers, and how far back it looks
// each time: a platform that logs more within one interval is not shown in full.
const followed = 500

// followLog prints the newest attempts, and then each new one, the oldest first.
func (t *attemptsOptions) followLog(ctx context.Context, webhooks sonzaiapi.Webhooks, eventType string, since time.Time) error {
	if !t.json {
		t.console.Remark(console.Faint("following " + eventType + "; interrupt to end"))
	}
	seen := map[string]bool{}
	for first := true; ; {
		fresh, err := t.unseen(ctx, webhooks, eventType, seen)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && (first || !errors.Is(err, sonzaiapi.ErrUnavailable)):
			return failure(err)
		case err != nil: // it was there before, so it comes back
			t.console.Remark(console.Warn("! "), console.Plain(console.ErrorText(err)))
		}
		fresh = slices.DeleteFunc(fresh, func(a sonzaiapi.Attempt) bool { return !t.wanted(a, since) })
		if first && t.limit > 0 {
			fresh = fresh[max(0, len(fresh)-t.limit):]
		}
		for _, a := range fresh {
			if err := t.print(a); err != nil {
				return err
			}
		}
		first = first && err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(t.interval):
		}
	}
}

// unseen returns the attempts that were not returned before, the oldest first, and
// adds them to those that were.
func (t *attemptsOptions) unseen(ctx context.Context, webhooks sonzaiapi.Webhooks, eventType string, seen map[string]bool) ([]sonzaiapi.Attempt, error) {
	var fresh []sonzaiapi.Attempt
	looked := map[string]bool{}
	for a, err := range webhooks.Attempts(ctx, eventType, pageSize(followed)) {
		if err != nil {
			return nil, err
		}
		looked[a.ID] = true
		if !seen[a.ID] {
			fresh = append([]sonzaiapi.Attempt{a}, fresh...)
		}
		if len(looked) == followed {
			break
		}
	}
	for id := range seen {
		if len(seen) > 2*followed && !looked[id] {
			delete(seen, id)
		}
	}
	for _, a := range fresh {
		seen[a.ID] = true
	}
	return fresh, nil
}

// print prints an attempt as one line.
func (t *attemptsOptions) print(a sonzaiapi.Attempt) error {
	if t.json {
		return t.console.WriteJSON(attemptReport(a, t.bodies))
	}
	at := a.CreatedAt.Text
	if !a.CreatedAt.Time.IsZero() {
		at = a.CreatedAt.Local().Format(time.TimeOnly)
	}
	return t.console.Line(
		console.Faint(at+"  "), console.Calm(delivery.Field(a.RequestBody, delivery.IDKeys...)).Pad(wideEvent),
		console.Faint(fmt.Sprintf("#%d  ", a.Number)), console.Status(a.ResponseCode, answered(a)).Pad(wideAnswer),
		console.Faint(fmt.Sprintf("%4d ms  ", a.DurationMS)), console.Plain(a.ErrorMessage),
	)
}

// wideEvent fits the ids that the platform makes.
const wideEvent = 22
