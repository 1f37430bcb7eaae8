package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// maxResponse bounds what is kept of a receiver's answer.
const maxResponse = 64 << 10

// delivery is one event on its way to its registration. One goroutine at a time
// works on it.
type delivery struct {
	project   *project
	eventType string
	data      json.RawMessage
	body      []byte
	signature string // of the first attempt, when it is repeated
	attempt   int
	slot      bool           // holds one of the backlog's slots
	copied    bool           // is a duplicate of another
	fault     *DeliveryFault // what the attempt that was held back still meets
}

// Stats counts what the simulator did since it started.
type Stats struct {
	Emitted   int64 // events that happened
	Attempts  int64 // deliveries tried
	Delivered int64 // deliveries answered with 2xx
	Failed    int64 // deliveries given up
	Pending   int64 // deliveries that are not settled
}

type counters struct{ emitted, attempts, delivered, failed atomic.Int64 }

// Stats returns the counts. They are read one after the other, so they agree
// only while nothing is pending.
func (s *Simulator) Stats() Stats {
	return Stats{
		Emitted: s.stats.emitted.Load(), Attempts: s.stats.attempts.Load(),
		Delivered: s.stats.delivered.Load(), Failed: s.stats.failed.Load(),
		Pending: int64(s.pending.count()),
	}
}

// deliveryClient keeps a connection for each worker and follows no redirect.
func deliveryClient(s settings) *http.Client {
	client := http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: s.workers, IdleConnTimeout: 90 * time.Second, DisableCompression: true,
	}}
	if s.client != nil {
		client = *s.client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// send hands a new delivery to the workers.
func (s *Simulator) send(d *delivery) {
	s.pending.add(1)
	s.after(0, func() { s.deliver(d) })
}

// after runs a task once d is over. A task that comes when the simulator is
// closed is given up, like those that wait then.
func (s *Simulator) after(d time.Duration, run func()) {
	s.agenda.add(s.ctx, time.Now().Add(d), run)
}

// deliver makes one attempt and decides what comes next.
func (s *Simulator) deliver(d *delivery) {
	fault := s.faults.forDelivery(d)
	if fault.HoldBack {
		s.holdBack(d, fault)
		return
	}
	if !s.pause(fault.Delay) {
		return
	}
	result, registered := s.attempt(d, fault)
	d.release(s)
	if !registered {
		s.settle(false)
		return
	}
	s.duplicate(d, fault.Duplicates)
	s.letGo()
	switch {
	case result.Delivered():
		s.settle(true)
	case result.final() || d.attempt >= s.settings.attempts:
		s.settle(false)
	default:
		s.after(s.shorten(s.waitAfter(d.attempt)), func() { s.deliver(d) })
	}
}

// duplicate sends an event again after its first attempt. Copies have no copies.
func (s *Simulator) duplicate(d *delivery, times int) {
	if d.copied || d.attempt > 1 {
		return
	}
	for range times {
		s.send(&delivery{
			project: d.project, eventType: d.eventType, body: d.body, signature: d.signature, copied: true,
		})
	}
}

func (s *Simulator) settle(delivered bool) {
	if delivered {
		s.stats.delivered.Add(1)
	} else {
		s.stats.failed.Add(1)
	}
	s.pending.add(-1)
}

// release gives the slot in the backlog back.
func (d *delivery) release(s *Simulator) {
	if d.slot {
		d.slot = false
		<-s.slots
	}
}

// waitAfter is the wait that follows the n-th attempt: it doubles.
func (s *Simulator) waitAfter(n int) time.Duration {
	wait := s.settings.firstWait
	for range n - 1 {
		wait = min(2*wait, s.settings.longestWait)
	}
	return wait
}

// pause reports whether the simulator is still open afterwards.
func (s *Simulator) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// attempt sends the delivery to where its registration points now and logs what
// came of it. It reports false when the registration is gone.
func (s *Simulator) attempt(d *delivery, fault DeliveryFault) (Attempt, bool) {
	target, ok := d.project.target(d.eventType, s.now(), s.shorten(s.settings.overlap))
	if !ok {
		return Attempt{}, false
	}
	d.attempt++
	result := Attempt{
		ID: newID("att"), ProjectID: d.project.id, EventType: d.eventType, URL: target.url,
		Number: d.attempt, RequestBody: d.body, CreatedAt: s.now(),
	}
	started := time.Now()
	if fault.Drop {
		result.Error = "the delivery was lost on its way"
	} else {
		s.post(d, target, &result)
	}
	if fault.DropAnswer {
		result.Code, result.ResponseBody, result.Error = 0, "", "the connection broke before the answer came"
	}
	result.Duration = time.Since(started)
	d.project.log(result)
	s.stats.attempts.Add(1)
	if s.settings.observer != nil {
		s.settings.observer(result)
	}
	return result, true
}

// post makes the request of an attempt.
func (s *Simulator) post(d *delivery, target target, result *Attempt) {
	ctx, cancel := context.WithTimeout(s.ctx, s.settings.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.url, bytes.NewReader(d.body))
	if err != nil {
		result.Error = brief(err)
		return
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "sonzai-simulator")
	request.Header.Set(sonzaihook.SignatureHeader, s.sign(d, target))
	if target.authHeader != "" {
		request.Header.Set("Authorization", target.authHeader)
	}
	response, err := s.client.Do(request)
	if err != nil {
		result.Error = brief(err)
		return
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxResponse))
	if err != nil {
		result.Error = brief(err)
		return
	}
	result.Code = response.StatusCode
	result.ResponseBody = strings.ToValidUTF8(string(answer), "\uFFFD")
}

// sign returns the signature of the next attempt: one v1 for each secret.
func (s *Simulator) sign(d *delivery, target target) string {
	if s.settings.repeatBytes && d.signature != "" {
		return d.signature
	}
	at := s.now()
	header := ""
	for i, secret := range target.secrets {
		signed := sonzaihook.Sign(d.body, secret, at)
		if i > 0 {
			_, signed, _ = strings.Cut(signed, ",")
			header += ","
		}
		header += signed
	}
	d.signature = header
	return header
}

// brief is the cause of a failed request, without the address.
func brief(err error) string {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "the receiver did not answer in time"
	}
	return err.Error()
}
