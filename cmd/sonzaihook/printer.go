package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
	"github.com/sonzaihook/sonzaihook/upstream"
)

// printer prints events as they arrive, a line each. It is safe for concurrent
// use.
type printer struct {
	console *console.Console
	json    bool
	// projects says that there are several: each line names the project.
	projects bool

	mu      sync.Mutex
	handled int
}

// printed is one event, or one delivery that was refused, as --json prints it.
type printed struct {
	Time    time.Time       `json:"time"`
	Source  string          `json:"source"`
	Outcome string          `json:"outcome"`
	Type    string          `json:"event_type,omitempty"`
	EventID string          `json:"event_id,omitempty"`
	Agent   string          `json:"agent_id,omitempty"`
	User    string          `json:"user_id,omitempty"`
	Project string          `json:"project_id,omitempty"`
	Reason  string          `json:"reason,omitempty"`
	Event   json.RawMessage `json:"event,omitempty"`

	// Of a delivery that was forwarded: what the server answered.
	Status     int     `json:"status,omitempty"`
	DurationMS float64 `json:"duration_ms,omitempty"`
}

// ofBody is an event with what its body says of it.
func ofBody(body []byte) printed {
	return printed{
		Type:    delivery.Field(body, delivery.TypeKeys...),
		EventID: delivery.Field(body, delivery.IDKeys...),
		Agent:   delivery.Field(body, "agent_id"), User: delivery.Field(body, "user_id"),
		Project: delivery.Field(body, "project_id"),
	}
}

// receiver returns a receiver that prints every event, whatever its type. It has
// no secret of the platform yet.
func (p *printer) receiver(options ...sonzaihook.Option) (*sonzaihook.Receiver, error) {
	hooks, err := sonzaihook.New(upstream.InitialSecrets(nil), append([]sonzaihook.Option{
		sonzaihook.WithLogger(slog.New(slog.DiscardHandler)),
		sonzaihook.WithIdentity(sonzaihook.NaturalIdentity),
		sonzaihook.WithObserver(p.observe),
	}, options...)...)
	if err != nil {
		return nil, err
	}
	anyEvent := func(context.Context, *sonzaihook.Event[json.RawMessage]) error { return nil }
	for _, t := range sonzaihook.EventTypes() {
		sonzaihook.On(hooks, t, anyEvent) // a body of any form will do
	}
	hooks.OnOther(anyEvent)
	hooks.Use(p.printEvent)
	return hooks, nil
}

// printEvent is middleware that prints an event. One that cannot be printed was
// not handled.
func (p *printer) printEvent(next sonzaihook.Handler) sonzaihook.Handler {
	return func(ctx context.Context, d *sonzaihook.Delivery) error {
		if err := next(ctx, d); err != nil {
			return err
		}
		line := ofBody(d.Body)
		line.Time, line.Source, line.Outcome = p.console.Now(), string(d.Source), sonzaihook.CodeProcessed
		line.Type, line.EventID, line.Event = string(d.Type), cmp.Or(line.EventID, d.ID), d.Body
		line.Project = cmp.Or(d.Project, line.Project)
		return p.print(line, true)
	}
}

// observe prints what became of a delivery that was not handled.
func (p *printer) observe(_ context.Context, out sonzaihook.Outcome) {
	if out.Code == sonzaihook.CodeProcessed {
		return
	}
	line := printed{
		Time: p.console.Now(), Source: string(out.Source), Outcome: out.Code, Type: string(out.Type), EventID: out.DeliveryID,
		Project: out.Project,
	}
	if out.Err != nil {
		line.Reason = strings.TrimPrefix(out.Err.Error(), "sonzaihook: ")
	}
	_ = p.print(line, false) // a closed output ends the command elsewhere
}

func (p *printer) print(line printed, handled bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if handled {
		p.handled++
	}
	if p.json {
		return p.console.WriteJSON(line)
	}
	cells := line.cells()
	if p.projects {
		cells = slices.Insert(cells, 2, console.Faint(cmp.Or(line.Project, "—")).Pad(wideAgent))
	}
	return p.console.Line(cells...)
}

// count returns how many events were handled.
func (p *printer) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.handled
}

// Columns of the lines that arrive one by one, wide enough for what is usual.
const (
	wideSource = 8
	wideType   = 20
	wideAgent  = 12
	wideAnswer = 17 // "401 unauthorized", "503 retry_later"
)

func (line printed) cells() []console.Cell {
	head := []console.Cell{
		console.Faint(line.Time.Format(time.TimeOnly) + "  "),
		console.Plain(line.Source).Pad(wideSource),
		console.Calm(cmp.Or(line.Type, "—")).Pad(wideType),
	}
	switch {
	case line.DurationMS > 0:
		answer := line.Outcome
		switch {
		case line.Outcome == http.StatusText(line.Status): // the number says as much
			answer = strconv.Itoa(line.Status)
		case line.Status > 0:
			answer = fmt.Sprintf("%d %s", line.Status, line.Outcome)
		}
		took := time.Duration(line.DurationMS * float64(time.Millisecond))
		return append(head, console.Status(line.Status, answer).Pad(wideAnswer),
			console.Faint(fmt.Sprintf("%7s  ", console.Milliseconds(took))), console.Plain(cmp.Or(line.Reason, delivery.Describe(line.Event))))
	case line.Outcome == sonzaihook.CodeProcessed:
		return append(head, console.Faint(line.Agent).Pad(wideAgent), console.Plain(delivery.Describe(line.Event)))
	}
	return append(head, console.Code(line.Outcome), console.Faint("  "+line.Reason))
}
