package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// What the commands that read the delivery log have in common.

// pageSize asks for no more than is shown, and for large pages where that is much.
func pageSize(limit int) int {
	const largest = 500
	if limit == 0 {
		return largest
	}
	return min(limit, largest)
}

// attemptsOf returns the attempts to deliver the event with this id, or with that
// of an attempt, the oldest first. Without types it looks at all that are
// registered, and at the known ones, whose log may outlive the registration.
func attemptsOf(ctx context.Context, webhooks sonzaiapi.Webhooks, id string, types []string, progress *console.Progress) ([]sonzaiapi.Attempt, error) {
	named := len(types) > 0
	if !named {
		registered, err := webhooks.List(ctx)
		if err != nil {
			return nil, failure(err)
		}
		for _, w := range registered {
			types = append(types, w.EventType)
		}
		for _, name := range knownNames() {
			if !slices.Contains(types, name) {
				types = append(types, name)
			}
		}
	}
	for _, t := range types {
		progress.Say("reading the delivery log of %s", t)
		list, err := attemptsIn(ctx, webhooks, t, id)
		switch {
		case err != nil && !named && errors.Is(err, sonzaiapi.ErrNotFound):
		case err != nil:
			return nil, failure(err)
		case len(list) > 0:
			return list, nil
		}
	}
	return nil, nil
}

// attemptsIn looks in the log of one type.
func attemptsIn(ctx context.Context, webhooks sonzaiapi.Webhooks, eventType, id string) ([]sonzaiapi.Attempt, error) {
	var all []sonzaiapi.Attempt
	for a, err := range webhooks.Attempts(ctx, eventType, pageSize(0)) {
		if err != nil {
			return nil, err
		}
		all = append(all, a)
		if a.ID == id { // it stands for its event
			if event := delivery.Field(a.RequestBody, delivery.IDKeys...); event != "" {
				id = event
			}
		}
	}
	list := slices.DeleteFunc(all, func(a sonzaiapi.Attempt) bool {
		return a.ID != id && delivery.Field(a.RequestBody, delivery.IDKeys...) != id
	})
	slices.SortStableFunc(list, func(a, b sonzaiapi.Attempt) int { return a.CreatedAt.Compare(b.CreatedAt.Time) })
	return list, nil
}

// statusCell shows what a server answered; no status means that it did not.
func statusCell(status int) console.Cell {
	if status == 0 {
		return console.Bad("none")
	}
	return console.Status(status, fmt.Sprint(status))
}

// answered is what a server answered, with its status.
func answered(a sonzaiapi.Attempt) string {
	answer := delivery.AnswerOf(a.ResponseCode, a.ResponseBody)
	if a.ResponseCode == 0 {
		return answer
	}
	return fmt.Sprintf("%d %s", a.ResponseCode, answer)
}

// attempt is an attempt as --json prints it.
type attempt struct {
	sonzaiapi.Attempt
	EventID      string          `json:"event_id,omitempty"`
	Answer       string          `json:"answer"`
	RequestBody  json.RawMessage `json:"request_body,omitempty"`
	ResponseBody json.RawMessage `json:"response_body,omitempty"`
}

func attemptReport(a sonzaiapi.Attempt, bodies bool) attempt {
	r := attempt{
		Attempt: a, EventID: delivery.Field(a.RequestBody, delivery.IDKeys...),
		Answer: delivery.AnswerOf(a.ResponseCode, a.ResponseBody),
	}
	if bodies {
		r.RequestBody, r.ResponseBody = asJSON(a.RequestBody), asJSON(a.ResponseBody)
	}
	return r
}

// asJSON returns what is JSON as it is, and anything else as a string.
func asJSON(body []byte) json.RawMessage {
	if len(body) == 0 || json.Valid(body) {
		return body
	}
	text, _ := json.Marshal(string(body)) // a string always marshals
	return text
}
