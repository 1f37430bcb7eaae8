package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/upstream"
)

// teller prints events as they arrive, a line each. It is safe for concurrent
// use.
type teller struct {
	app  *app
	json bool

	mu   sync.Mutex
	told int
}

// told is one event, or one delivery that was refused, as --json prints it.
type told struct {
	Time    time.Time       `json:"time"`
	Source  string          `json:"source"`
	Outcome string          `json:"outcome"`
	Type    string          `json:"event_type,omitempty"`
	EventID string          `json:"event_id,omitempty"`
	Agent   string          `json:"agent_id,omitempty"`
	User    string          `json:"user_id,omitempty"`
	Reason  string          `json:"reason,omitempty"`
	Event   json.RawMessage `json:"event,omitempty"`
}

// receiver returns a receiver that tells of every event, whatever its type. It
// has no secret of the platform yet.
func (t *teller) receiver(options ...sonzaihook.Option) (*sonzaihook.Receiver, error) {
	hooks, err := sonzaihook.New(upstream.SecretsSoFar(nil), append([]sonzaihook.Option{
		sonzaihook.WithLogger(slog.New(slog.DiscardHandler)),
		sonzaihook.WithIdentity(sonzaihook.NaturalIdentity),
		sonzaihook.WithObserver(t.observe),
	}, options...)...)
	if err != nil {
		return nil, err
	}
	hooks.OnOther(func(context.Context, *sonzaihook.Event[json.RawMessage]) error { return nil })
	hooks.Use(t.tell)
	return hooks, nil
}

// tell prints an event. What cannot be printed was not handled.
func (t *teller) tell(next sonzaihook.Handler) sonzaihook.Handler {
	return func(ctx context.Context, d *sonzaihook.Delivery) error {
		if err := next(ctx, d); err != nil {
			return err
		}
		return t.print(told{
			Time: t.app.now(), Source: string(d.Source), Outcome: sonzaihook.CodeProcessed, Type: string(d.Type),
			EventID: cmp.Or(field(d.Body, idKeys...), d.ID), Agent: field(d.Body, "agent_id"), User: field(d.Body, "user_id"),
			Event: d.Body,
		})
	}
}

// observe prints what became of a delivery that is not an event to tell of.
func (t *teller) observe(_ context.Context, out sonzaihook.Outcome) {
	if out.Code == sonzaihook.CodeProcessed {
		return
	}
	line := told{
		Time: t.app.now(), Source: string(out.Source), Outcome: out.Code, Type: string(out.Type), EventID: out.DeliveryID,
	}
	if out.Err != nil {
		line.Reason = strings.TrimPrefix(out.Err.Error(), "sonzaihook: ")
	}
	_ = t.print(line) // nobody is left to be told
}

func (t *teller) print(line told) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if line.Outcome == sonzaihook.CodeProcessed {
		t.told++
	}
	if t.json {
		return t.app.write(line)
	}
	return t.app.line(line.segments()...)
}

// count returns how many events were told.
func (t *teller) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.told
}

// Columns of the lines that arrive one by one, wide enough for what is usual.
const (
	wideSource = 8
	wideType   = 20
	wideAgent  = 12
)

func (line told) segments() []cell {
	at := cell{line.Time.Format(time.TimeOnly) + "  ", faint}
	source := cell{pad(line.Source, wideSource), plain}
	kind := cell{pad(cmp.Or(line.Type, "—"), wideType), calm}
	if line.Outcome == sonzaihook.CodeProcessed {
		return []cell{at, source, kind, {pad(line.Agent, wideAgent), faint}, {describe(line.Event), plain}}
	}
	return []cell{at, source, kind, {line.Outcome, codeStyle(line.Outcome)}, {"  " + oneLine(line.Reason), faint}}
}

// codeStyle is the colour of a code in a receiver's answer.
func codeStyle(code string) lipgloss.Style {
	switch code {
	case sonzaihook.CodeProcessed, sonzaihook.CodeDuplicate, sonzaihook.CodeIgnored, sonzaihook.CodeQueued:
		return statusStyle(http.StatusOK)
	case sonzaihook.CodeUnauthorized:
		return statusStyle(http.StatusUnauthorized)
	}
	return statusStyle(http.StatusServiceUnavailable)
}

// line writes one line that fits the terminal.
func (a *app) line(segments ...cell) error {
	columns := width(a.out)
	var text strings.Builder
	used := 0
	for _, s := range segments {
		if columns > 0 {
			s.text = ansi.Truncate(s.text, max(0, columns-used), "…")
		}
		used += ansi.StringWidth(s.text)
		text.WriteString(s.style.Inline(true).Render(s.text))
	}
	_, err := io.WriteString(a.paper(a.out), strings.TrimRight(text.String(), " ")+"\n")
	return err
}

// remark writes a line beside the output, for a person to read.
func (a *app) remark(format string, values ...any) {
	_, _ = fmt.Fprintf(a.paper(a.errOut), format+"\n", values...)
}
