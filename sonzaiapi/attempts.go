package sonzaiapi

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"net/url"
	"strconv"
)

// Attempt is one try of the platform to deliver an event.
type Attempt struct {
	ID        string `json:"attempt_id"`
	ProjectID string `json:"project_id"`
	EventType string `json:"event_type"`
	URL       string `json:"webhook_url"`
	// Number counts the tries of one event, from 1.
	Number int `json:"attempt_number"`
	// Status is the platform's word for what came of it. Which words there are
	// is not documented; [Attempt.Delivered] goes by the response code.
	Status string `json:"status"`
	// ResponseCode is what the receiver answered, 0 when it did not answer.
	ResponseCode int `json:"response_code"`
	// RequestBody is what was sent, nil when the platform did not keep it.
	RequestBody Body `json:"request_body,omitempty"`
	// ResponseBody is what the receiver answered.
	ResponseBody Body   `json:"response_body,omitempty"`
	ErrorMessage string `json:"error_message,omitempty"`
	DurationMS   int64  `json:"duration_ms"`
	CreatedAt    Time   `json:"created_at"`
}

// Delivered reports whether the receiver answered 2xx.
func (a Attempt) Delivered() bool { return a.ResponseCode >= 200 && a.ResponseCode <= 299 }

// LogValue leaves out the bodies.
func (a Attempt) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("id", a.ID), slog.String("event_type", a.EventType), slog.Int("number", a.Number),
		slog.String("status", a.Status), slog.Int("response_code", a.ResponseCode))
}

// UnmarshalJSON reads an attempt. The request body is base64, the response body
// is text.
func (a *Attempt) UnmarshalJSON(data []byte) error {
	type plain Attempt
	wire := struct {
		*plain
		RequestBody  string `json:"request_body"`
		ResponseBody string `json:"response_body"`
	}{plain: (*plain)(a)}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	a.RequestBody, a.ResponseBody = nil, nil
	if wire.RequestBody != "" {
		a.RequestBody = decodeBase64(wire.RequestBody)
	}
	if wire.ResponseBody != "" {
		a.ResponseBody = Body(wire.ResponseBody)
	}
	return nil
}

// The bounds of a page of attempts.
const (
	maxPageSize     = 500
	defaultPageSize = 50 // the platform's, used when a page must be made smaller
)

// Attempts walks the delivery attempts of an event type in the order of the
// platform, page by page; each page is one call. pageSize is 1 to 500, 0 for the
// platform's default of 50; a page that is too large to read is asked for again
// at half the size. The walk ends at the first error, which comes with a zero
// Attempt.
func (w Webhooks) Attempts(ctx context.Context, eventType string, pageSize int) iter.Seq2[Attempt, error] {
	return func(yield func(Attempt, error) bool) {
		size := pageSize
		for cursor, more := "", true; more; {
			page, err := w.attemptsPage(ctx, eventType, size, cursor)
			if errors.Is(err, ErrAnswerTooLarge) && size != 1 {
				if size == 0 {
					size = defaultPageSize
				}
				size = max(1, size/2)
				continue
			}
			if err != nil {
				yield(Attempt{}, err)
				return
			}
			for _, attempt := range page.Attempts {
				if !yield(attempt, nil) {
					return
				}
			}
			// A cursor that stays where it is would make the walk endless.
			more = page.HasMore && page.NextCursor != "" && page.NextCursor != cursor
			cursor = page.NextCursor
		}
	}
}

type attemptsPage struct {
	Attempts   []Attempt `json:"attempts"`
	HasMore    bool      `json:"has_more"`
	NextCursor string    `json:"next_cursor"`
}

func (w Webhooks) attemptsPage(ctx context.Context, eventType string, size int, cursor string) (attemptsPage, error) {
	k := get(w.path("webhooks", eventType, "attempts")...)
	k.query = url.Values{}
	if err := k.limit("page_size", size, maxPageSize); err != nil {
		return attemptsPage{}, err
	}
	k.filter("cursor", cursor)
	var page attemptsPage
	err := w.client.do(ctx, k, &page)
	return page, err
}

// limit adds a bound to the query; 0 is left to the platform.
func (k call) limit(name string, n, most int) error {
	if n < 0 || n > most {
		return k.invalid("%s must be 1 to %d, or 0 for the platform's default", name, most)
	}
	if n > 0 {
		k.query.Set(name, strconv.Itoa(n))
	}
	return nil
}

// filter adds a value to the query unless it is empty.
func (k call) filter(name, value string) {
	if value != "" {
		k.query.Set(name, value)
	}
}
