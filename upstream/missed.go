package upstream

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"iter"
	"log/slog"
	"slices"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// MissedDelivery is an event that no attempt of the platform has delivered.
type MissedDelivery struct {
	// Type is the event type.
	Type sonzaihook.EventType
	// Name is the name of the registration in whose delivery log the last attempt
	// is.
	Name sonzaihook.EventType
	// Project is the project of the registration, empty for the tenant's.
	Project string
	// EventID is the event id in the body, empty where it has none.
	EventID string
	// Attempts is how often the platform has tried, as far as its log goes.
	Attempts int
	// First and Last are when it tried first and last.
	First, Last time.Time
	// ResponseCode and Error are what came of the last attempt. A code of 0 means
	// that no answer came.
	ResponseCode int
	Error        string
	// Body is what was sent, nil where the platform did not keep it. It must not
	// be changed.
	Body sonzaiapi.Body

	twin int // how many events before it have the same bytes and the same second
}

// Delivery returns what [Replay] passes to the receiver's Dispatch. SignedAt is
// the second of the first attempt, or a later one where another event has the same
// bytes and the same second: it distinguishes events without an id.
func (m MissedDelivery) Delivery() *sonzaihook.Delivery {
	signed := m.First.Truncate(time.Second).Add(time.Duration(m.twin) * time.Second)
	return replayed(m.Type, m.Name, m.Project, signed, m.Body)
}

// LogValue leaves out the body.
func (m MissedDelivery) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("type", brief(string(m.Type))), slog.String("event", brief(m.EventID)), slog.Int("attempts", m.Attempts),
		slog.Time("last", m.Last), slog.Int("response_code", m.ResponseCode), slog.String("error", brief(m.Error)))
}

// replayed returns the delivery for a recorded body.
func replayed(t, name sonzaihook.EventType, project string, signed time.Time, body []byte) *sonzaihook.Delivery {
	return &sonzaihook.Delivery{
		Type: t, Name: string(name), Project: project, SignedAt: signed, Source: sonzaihook.SourceReplay, Body: body,
	}
}

// Missed walks the delivery logs of the registrations with these names to their
// ends, and then yields what none of the attempts has delivered, the oldest first:
// the receiver answered with anything but 2xx, also with a final 4xx, or did not
// answer. What was last tried before since is left out; the zero time leaves out
// nothing. Events that the platform is still trying to deliver are yielded too.
//
// The names go to the platform as they are given. Name both names of a type that
// has two, so that what was delivered under one does not count as missed under the
// other.
//
// Attempts do not say which event they belong to. Two belong to the same event if
// a receiver would treat them as copies, see [sonzaihook.IdentityOf]. Bodies without
// an id are distinguished by their bytes and the number of the attempt.
//
// An error of a call comes with a zero MissedDelivery and nothing else, because a
// part of the log does not show what a later attempt delivered.
func Missed(ctx context.Context, webhooks sonzaiapi.Webhooks, names []sonzaihook.EventType, since time.Time) iter.Seq2[MissedDelivery, error] {
	return func(yield func(MissedDelivery, error) bool) {
		err := checkNames(names)
		var all []MissedDelivery
		if err == nil {
			all, err = missed(ctx, webhooks, gathered(names), since)
		}
		if err != nil {
			yield(MissedDelivery{}, err)
			return
		}
		for _, m := range all {
			if !yield(m, nil) {
				return
			}
		}
	}
}

func missed(ctx context.Context, webhooks sonzaiapi.Webhooks, families []family, since time.Time) ([]MissedDelivery, error) {
	var all []MissedDelivery
	for _, f := range families {
		some, err := missedOf(ctx, webhooks, f, since)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortStableFunc(all, func(a, b MissedDelivery) int { return a.First.Compare(b.First) })
	return all, nil
}

// logPage is how many attempts a call asks for: the most that the platform lists.
const logPage = 500

// missedOf reads the logs of all names of a type, which may hold the same event. A
// name chosen by default that the platform does not know is skipped if it knows
// another name of the type.
func missedOf(ctx context.Context, webhooks sonzaiapi.Webhooks, f family, since time.Time) ([]MissedDelivery, error) {
	log := history{typ: f.typ, project: webhooks.ProjectID(), events: map[string]*records{}}
	var absent error
	known := false
	for _, name := range f.names {
		err := log.read(ctx, webhooks, name, since)
		switch {
		case err == nil:
			known = true
		case f.chosen && isRefusal(err):
			absent = both(absent, err)
		default:
			return nil, err
		}
	}
	if !known {
		return nil, absent
	}
	return log.missed(since), nil
}

// horizon notices when a walk through the log has gone back far enough. That the
// newest attempts come first is not documented, so an old attempt ends the walk
// only after a newer one; and attempts that run side by side may be out of order
// by as long as one of them takes.
type horizon struct{ recent bool }

const disorder = 10 * time.Minute

func (h *horizon) passed(at, since time.Time) bool {
	if since.IsZero() || at.IsZero() {
		return false
	}
	h.recent = h.recent || !at.Before(since)
	return h.recent && at.Before(since.Add(-disorder))
}

// history is the attempts of one event type by the event that was sent.
type history struct {
	typ     sonzaihook.EventType
	project string
	events  map[string]*records
}

// read adds the attempts in the log of one name.
func (h *history) read(ctx context.Context, webhooks sonzaiapi.Webhooks, name sonzaihook.EventType, since time.Time) error {
	var horizon horizon
	for attempt, err := range webhooks.Attempts(ctx, string(name), logPage) {
		if err != nil {
			return err
		}
		if horizon.passed(attempt.CreatedAt.Time, since) {
			return nil
		}
		h.add(name, attempt)
	}
	return nil
}

// records are the attempts with the same identity, or without an id with the same
// bytes.
type records struct {
	named     bool // an id in the event distinguishes it from others
	eventID   string
	body      sonzaiapi.Body
	attempts  []record
	delivered bool
}

// record is an attempt without its body.
type record struct {
	name         sonzaihook.EventType
	number, code int
	at           time.Time
	problem      string
}

func (r record) delivered() bool { return r.code >= 200 && r.code <= 299 }

func (h *history) add(name sonzaihook.EventType, a sonzaiapi.Attempt) {
	at := a.CreatedAt.Time
	key, named := sonzaihook.IdentityOf(replayed(h.typ, name, h.project, at.Truncate(time.Second), a.RequestBody))
	if !named {
		sum := sha256.Sum256(a.RequestBody)
		key = "body " + hex.EncodeToString(sum[:])
	} else {
		key = "id " + key
	}
	r := h.events[key]
	if r == nil {
		r = &records{named: named, eventID: eventID(a.RequestBody), body: a.RequestBody}
		h.events[key] = r
	}
	if a.Delivered() && named {
		r.delivered, r.body, r.attempts = true, nil, nil // no need to keep it in memory
	}
	if !r.delivered {
		r.attempts = append(r.attempts, record{name, a.Number, a.ResponseCode, at, a.ErrorMessage})
	}
}

func (h *history) missed(since time.Time) []MissedDelivery {
	var all []MissedDelivery
	for _, r := range h.events {
		next := int64(0) // the first second that no event with these bytes has
		for _, attempts := range r.undelivered() {
			first, last := attempts[0], attempts[len(attempts)-1]
			second := max(first.at.Unix(), next)
			next = second + 1
			if !last.at.IsZero() && last.at.Before(since) {
				continue
			}
			all = append(all, MissedDelivery{
				Type: h.typ, Name: last.name, Project: h.project, EventID: r.eventID, Attempts: len(attempts), First: first.at, Last: last.at,
				ResponseCode: last.code, Error: last.problem, Body: r.body,
				twin: int(second - first.at.Unix()),
			})
		}
	}
	return all
}

// undelivered returns the attempts of each event that none of them delivered, the
// oldest first.
func (r *records) undelivered() [][]record {
	if r.delivered {
		return nil
	}
	slices.SortStableFunc(r.attempts, func(a, b record) int {
		return cmp.Or(a.at.Compare(b.at), a.number-b.number)
	})
	if r.named {
		return [][]record{r.attempts}
	}
	var open [][]record
	for _, attempt := range r.attempts {
		i := slices.IndexFunc(open, func(event []record) bool { return event[len(event)-1].number == attempt.number-1 })
		switch {
		case i >= 0 && attempt.delivered():
			open = slices.Delete(open, i, i+1)
		case i >= 0:
			open[i] = append(open[i], attempt)
		case !attempt.delivered():
			open = append(open, []record{attempt})
		}
	}
	return open
}

// eventID returns the event id in a body, for display only: events are
// distinguished by their identity.
func eventID(body []byte) string {
	envelope := object(body)
	for _, name := range []string{"event_id", "id"} {
		var id string
		if json.Unmarshal(envelope[name], &id) == nil && id != "" {
			return id
		}
	}
	return ""
}
