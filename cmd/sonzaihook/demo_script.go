package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/tidwall/sjson"

	"github.com/sonzaihook/sonzaihook"
)

// scene is one event of the demo: what is sent, and what must come of each time
// that it is sent.
type scene struct {
	what    string
	body    []byte
	age     time.Duration                // how long ago it was signed
	after   func([]byte) ([]byte, error) // changes the body after it was signed
	again   bool                         // the very bytes of the first scene
	expects []expectation
}

// expectation is what must come of one delivery.
type expectation struct {
	Status    int    `json:"status"`
	Outcome   string `json:"outcome"`
	Callbacks int    `json:"callbacks"`
}

func (e expectation) String() string {
	if e == (expectation{}) {
		return "no further attempt"
	}
	return fmt.Sprintf("%d %s with %s", e.Status, e.Outcome, counted(e.Callbacks, "callback run"))
}

var (
	expectProcessed    = expectation{http.StatusOK, sonzaihook.CodeProcessed, 1}
	expectDuplicate    = expectation{http.StatusOK, sonzaihook.CodeDuplicate, 0}
	expectUnauthorized = expectation{http.StatusUnauthorized, sonzaihook.CodeUnauthorized, 0}
	expectFailed       = expectation{http.StatusInternalServerError, sonzaihook.CodeFailed, 1}
)

// whatSigned is an ordinary delivery; the others stand out in the table.
const whatSigned = "signed"

// script returns the scenes of the demo.
func script() ([]scene, error) {
	var scenes []scene
	for _, t := range sonzaihook.EventTypes() {
		body, err := fixture(t, false)
		if err != nil {
			return nil, err
		}
		scenes = append(scenes, scene{what: whatSigned, body: body, expects: []expectation{expectProcessed}})
	}
	mood, err := fixture(sonzaihook.EventMoodChange, true)
	if err != nil {
		return nil, err
	}
	faulty, err := sjson.SetBytes(mood, "id", faultyID)
	if err != nil {
		return nil, err
	}
	impostor := func(body []byte) ([]byte, error) { return sjson.SetBytes(body, "agent_id", "agent_eve") }
	return append(scenes,
		scene{what: "replayed", again: true, expects: []expectation{expectDuplicate}},
		scene{what: "tampered", body: mood, after: impostor, expects: []expectation{expectUnauthorized}},
		scene{what: "stale", body: mood, age: time.Hour, expects: []expectation{expectUnauthorized}},
		scene{what: "failing", body: faulty, expects: []expectation{expectFailed, expectProcessed}},
	), nil
}

// The platform's retries, in the demo's time: it tries again on 5xx.
const (
	mostAttempts = 3
	retryPause   = 20 * time.Millisecond
)

// performance is what became of the whole script.
type performance struct {
	url      string
	rows     []row
	duration time.Duration
}

func (p *performance) unexpected() int {
	n := 0
	for _, r := range p.rows {
		if !r.OK {
			n++
		}
	}
	return n
}

// play sends every scene of the script to the receiver.
func (s *stage) play(ctx context.Context, url string, now func() time.Time) (performance, error) {
	scenes, err := script()
	if err != nil {
		return performance{}, err
	}
	client := newClient(10 * time.Second)
	defer client.CloseIdleConnections()
	p, start := performance{url: url}, time.Now()
	var opening parcel
	for i, scene := range scenes {
		send := opening
		if !scene.again {
			if send, err = scene.parcel(url, s.secret, now()); err != nil {
				return performance{}, err
			}
		}
		if i == 0 {
			opening = send
		}
		rows, err := s.perform(ctx, client, scene, send)
		if err != nil {
			return performance{}, err
		}
		p.rows = append(p.rows, rows...)
	}
	p.duration = time.Since(start)
	return p, nil
}

// parcel signs the body of a scene.
func (sc *scene) parcel(url, secret string, now time.Time) (parcel, error) {
	p := parcel{url: url, body: sc.body}
	var err error
	if p.signature, err = sign(sc.body, secret, now.Add(-sc.age)); err != nil || sc.after == nil {
		return p, err
	}
	p.body, err = sc.after(p.body)
	return p, err
}

// perform sends one parcel as often as the platform would.
func (s *stage) perform(ctx context.Context, client *http.Client, sc scene, p parcel) ([]row, error) {
	var rows []row
	for attempt := range mostAttempts {
		if attempt > 0 {
			select {
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			case <-time.After(retryPause):
			}
		}
		s.take()
		answer, err := post(ctx, client, p)
		if err != nil {
			return nil, err
		}
		rows = append(rows, newRow(sc, attempt, p, answer, s.take()))
		if answer.status < http.StatusInternalServerError {
			break
		}
	}
	return rows, nil
}
