package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// missed is one event of the delivery log and the result of sending it, as --json
// prints it.
type missed struct {
	Project  string    `json:"project_id,omitempty"`
	Type     string    `json:"event_type"`
	EventID  string    `json:"event_id,omitempty"`
	Attempts int       `json:"attempts"`
	First    time.Time `json:"first_attempt"`
	Last     time.Time `json:"last_attempt"`
	LastCode int       `json:"last_response_code"`
	LastWhy  string    `json:"last_error,omitempty"`
	URL      string    `json:"url,omitempty"`
	Status   int       `json:"status,omitempty"`
	Outcome  string    `json:"outcome,omitempty"`
	Error    string    `json:"error,omitempty"`

	body   []byte
	target sonzaiapi.Webhook // the registration of the type, if there still is one
}

// place is what the event fills into names.
func (m missed) place() place { return place{m.Project, m.Type} }

// recovered reports whether the server has taken the event now.
func (m missed) recovered() bool { return m.Status >= 200 && m.Status < 300 }

// silence is the number of deliveries without an answer after which no more are
// sent.
const silence = 3

// sendAll sends events one after the other. It reads all secrets first, so that a
// missing one is an error before anything is sent.
func (r *replayOptions) sendAll(ctx context.Context, list []missed, progress *console.Progress) error {
	requests := make([]delivery.SignedRequest, len(list))
	for i, m := range list {
		var err error
		if requests[i], err = r.request(m); err != nil {
			return err
		}
	}
	client := delivery.NewClient(r.timeout)
	defer client.CloseIdleConnections()
	silent := 0
	for i := range list {
		m := &list[i]
		m.URL = requests[i].URL
		switch {
		case m.URL == "":
			m.Error = "the type is registered no more: say where to with --url"
		case m.body == nil:
			m.Error = "the platform has not kept the body"
		case silent == silence:
			m.Error = "the server does not answer"
		default:
			progress.Say("sending %d of %d", i+1, len(list))
			if err := m.send(ctx, client, requests[i]); err != nil {
				return err
			}
			if silent++; m.Status > 0 {
				silent = 0
			}
		}
	}
	return nil
}

// send sends one event and keeps the result. The error is that of the context.
func (m *missed) send(ctx context.Context, client *http.Client, req delivery.SignedRequest) error {
	answer, err := delivery.Post(ctx, client, req)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		m.Outcome, m.Error = delivery.CodeUnanswered, cmp.Or(errors.Unwrap(err), err).Error()
		return nil
	}
	m.Status, m.Outcome = answer.Status, cmp.Or(answer.Code, http.StatusText(answer.Status))
	return nil
}

// request signs a recorded body for the server that should have got it.
func (r *replayOptions) request(m missed) (delivery.SignedRequest, error) {
	req := delivery.SignedRequest{
		URL: cmp.Or(m.place().url(r.url), m.target.URL), Body: m.body, Authorization: string(m.target.AuthHeader),
	}
	secret, err := secretFor(r.console, r.secret, m.place())
	if err != nil {
		return delivery.SignedRequest{}, err
	}
	req.Signature, err = delivery.Sign(req.Body, secret, r.console.Now())
	return req, err
}
