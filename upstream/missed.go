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
	Type sonzaihook.EventType
	// EventID is the event id in the body, empty where it has none.
	EventID string
	// Attempts is how often the platform has tried, as far as its log goes.
	Attempts int
	// First and Last are when it tried first and last.
	First, Last time.Time
	// ResponseCode and Error are what came of the last attempt. A code of 0 means
	// that nobody answered.
	ResponseCode int
	Error        string
	// Body is what was sent, nil where the platform did not keep it. It must not
	// be changed.
	Body sonzaiapi.Body

	twin int // how many events before it have the same bytes and the same second
}

// Delivery returns what [Replay] hands to the receiver's Dispatch. SignedAt is
// the second of the first attempt, or one after it where another event has the
// same bytes and the same second: it is what tells apart events without an id.
func (m MissedDelivery) Delivery() *sonzaihook.Delivery {
	signed := m.First.Truncate(time.Second).Add(time.Duration(m.twin) * time.Second)
	return &sonzaihook.Delivery{Type: m.Type, SignedAt: signed, Source: sonzaihook.SourceReplay, Body: m.Body}
}

// LogValue leaves out the body.
func (m MissedDelivery) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("type", string(m.Type)), slog.String("event", m.EventID), slog.Int("attempts", m.Attempts),
		slog.Time("last", m.Last), slog.Int("response_code", m.ResponseCode), slog.String("error", m.Error))
}

// Missed walks the delivery log of the event types to its end, and then yields
// what none of the attempts has delivered, the oldest first: the receiver answered
// with anything but 2xx, also with a final 4xx, or did not answer. What was last
// tried before since is left out; the zero time leaves out nothing. Events that
// the platform is still trying to deliver are yielded too.
//
// Attempts do not say which event they belong to. Those with the same event id in
// their body are one event; bodies without one are told apart by their bytes and
// the number of the attempt.
//
// An error of a call comes with a zero MissedDelivery and nothing else, because a
// part of the log does not show what a later attempt has delivered.
func Missed(ctx context.Context, webhooks sonzaiapi.Webhooks, types []sonzaihook.EventType, since time.Time) iter.Seq2[MissedDelivery, error] {
	return func(yield func(MissedDelivery, error) bool) {
		var all []MissedDelivery
		for _, t := range canonical(types) {
			missed, err := missedOf(ctx, webhooks, t, since)
			if err != nil {
				yield(MissedDelivery{}, err)
				return
			}
			all = append(all, missed...)
		}
		slices.SortStableFunc(all, func(a, b MissedDelivery) int { return a.First.Compare(b.First) })
		for _, m := range all {
			if !yield(m, nil) {
				return
			}
		}
	}
}

// logPage is how many attempts a call asks for: the most that the platform lists.
const logPage = 500

func missedOf(ctx context.Context, webhooks sonzaiapi.Webhooks, t sonzaihook.EventType, since time.Time) ([]MissedDelivery, error) {
	log := history{bodies: map[string]*records{}}
	var horizon horizon
	for attempt, err := range webhooks.Attempts(ctx, string(t), logPage) {
		if err != nil {
			return nil, err
		}
		if horizon.passed(attempt.CreatedAt.Time, since) {
			break
		}
		log.add(attempt)
	}
	return log.missed(t, since), nil
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

// history is the attempts of one event type by the body that was sent.
type history struct {
	bodies map[string]*records
}

// records are the attempts with the same event id, or without one with the same
// bytes.
type records struct {
	eventID   string
	body      sonzaiapi.Body
	attempts  []record
	delivered bool
}

// record is an attempt without its body.
type record struct {
	number, code int
	at           time.Time
	problem      string
}

func (r record) delivered() bool { return r.code >= 200 && r.code <= 299 }

func (h *history) add(a sonzaiapi.Attempt) {
	id := eventID(a.RequestBody)
	key := "id " + id
	if id == "" {
		sum := sha256.Sum256(a.RequestBody)
		key = "body " + hex.EncodeToString(sum[:])
	}
	r := h.bodies[key]
	if r == nil {
		r = &records{eventID: id, body: a.RequestBody}
		h.bodies[key] = r
	}
	if a.Delivered() && id != "" {
		r.delivered, r.body, r.attempts = true, nil, nil // no need to keep it in memory
	}
	if !r.delivered {
		r.attempts = append(r.attempts, record{a.Number, a.ResponseCode, a.CreatedAt.Time, a.ErrorMessage})
	}
}

func (h *history) missed(t sonzaihook.EventType, since time.Time) []MissedDelivery {
	var all []MissedDelivery
	for _, r := range h.bodies {
		next := int64(0) // the first second that no event with these bytes has
		for _, attempts := range r.undelivered() {
			first, last := attempts[0], attempts[len(attempts)-1]
			second := max(first.at.Unix(), next)
			next = second + 1
			if !last.at.IsZero() && last.at.Before(since) {
				continue
			}
			all = append(all, MissedDelivery{
				Type: t, EventID: r.eventID, Attempts: len(attempts), First: first.at, Last: last.at,
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
	if r.eventID != "" {
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

// eventID returns the event id of a body, as the receiver reads it.
func eventID(body []byte) string {
	var envelope struct {
		EventID string `json:"event_id"`
		ID      string `json:"id"`
	}
	if json.Unmarshal(body, &envelope) != nil {
		return ""
	}
	return cmp.Or(envelope.EventID, envelope.ID)
}
