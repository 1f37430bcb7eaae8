package simulator

import (
	"bytes"
	"context"
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

// delivery is one event on its way to one recipient. One goroutine at a time
// works on it.
type delivery struct {
	project   *project
	to        recipient
	eventType string // as the event names it; the recipient may have another name
	body      []byte
	signature string // of the first attempt, when it is repeated
	attempt   int
	slot      bool           // holds one of the backlog's slots
	copied    bool           // is a duplicate of another delivery
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

// deliverer makes the deliveries. Its scheduler owns what waits, and a worker owns
// a delivery from the moment it takes it until it is settled or scheduled again.
type deliverer struct {
	settings  settings
	faults    *faults
	client    *http.Client
	scheduler *scheduler
	slots     chan struct{} // one for each event whose first attempt is not over
	held      holdings[*delivery]
	pending   pending
	stats     counters
	ctx       context.Context // done when the simulator is closed
}

func newDeliverer(ctx context.Context, s settings, f *faults) *deliverer {
	return &deliverer{
		settings: s, faults: f, client: deliveryClient(s), scheduler: newScheduler(),
		slots: make(chan struct{}, s.backlog), ctx: ctx,
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
func (s *deliverer) send(d *delivery) {
	s.pending.add(1)
	s.after(0, func() { s.deliver(d) })
}

// after runs a task once d is over. A task that comes when the simulator is
// closed is given up, like those that wait then.
func (s *deliverer) after(d time.Duration, run func()) {
	s.scheduler.add(s.ctx, time.Now().Add(d), run)
}

// deliver makes one attempt and decides what comes next.
func (s *deliverer) deliver(d *delivery) {
	fault := s.faultOf(d)
	if fault.HoldBack {
		s.holdBack(d, fault)
		return
	}
	if !pause(s.ctx, fault.Delay) {
		return
	}
	result, registered := s.attempt(d, fault)
	s.release(d)
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
		s.after(s.settings.shorten(s.waitAfter(d.attempt)), func() { s.deliver(d) })
	}
}

// faultOf returns what goes wrong with the next attempt.
func (s *deliverer) faultOf(d *delivery) DeliveryFault {
	if d.fault != nil {
		fault := *d.fault
		d.fault = nil
		return fault
	}
	return s.faults.forDelivery(d.eventType, d.to.eventType)
}

// holdBack keeps a delivery until the next attempt of another, or the limit.
func (s *deliverer) holdBack(d *delivery, fault DeliveryFault) {
	fault.HoldBack = false
	d.fault = &fault
	s.held.add(d)
	s.after(s.settings.shorten(holdLimit), func() {
		if s.held.take(d) {
			s.deliver(d)
		}
	})
}

// letGo sends what is held back.
func (s *deliverer) letGo() {
	for _, d := range s.held.takeAll() {
		s.after(0, func() { s.deliver(d) })
	}
}

// duplicate sends an event again after its first attempt. Copies have no copies.
func (s *deliverer) duplicate(d *delivery, times int) {
	if d.copied || d.attempt > 1 {
		return
	}
	for range times {
		s.send(&delivery{
			project: d.project, to: d.to, eventType: d.eventType, body: d.body, signature: d.signature, copied: true,
		})
	}
}

func (s *deliverer) settle(delivered bool) {
	if delivered {
		s.stats.delivered.Add(1)
	} else {
		s.stats.failed.Add(1)
	}
	s.pending.add(-1)
}

// release gives the slot in the backlog back.
func (s *deliverer) release(d *delivery) {
	if d.slot {
		d.slot = false
		<-s.slots
	}
}

// waitAfter is the wait that follows the n-th attempt: it doubles.
func (s *deliverer) waitAfter(n int) time.Duration {
	wait := s.settings.firstWait
	for range n - 1 {
		wait = min(2*wait, s.settings.longestWait)
	}
	return wait
}

// pause waits and reports whether the context is still open afterwards.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// attempt sends the delivery to where its recipient is now and logs what came of
// it. It reports false when the registration or the channel is gone.
func (s *deliverer) attempt(d *delivery, fault DeliveryFault) (Attempt, bool) {
	now := s.settings.clock()
	target, ok := d.project.target(d.to, now, s.settings.shorten(s.settings.overlap))
	if !ok {
		return Attempt{}, false
	}
	d.attempt++
	result := Attempt{
		ID: newID("att"), ProjectID: d.project.id, EventType: d.to.eventType, ChannelID: d.to.channel,
		URL: target.url, Number: d.attempt, RequestBody: d.body, CreatedAt: now,
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
func (s *deliverer) post(d *delivery, target target, result *Attempt) {
	ctx, cancel := context.WithTimeout(s.ctx, s.settings.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.url, bytes.NewReader(d.body))
	if err != nil {
		result.Error = brief(err)
		return
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "sonzai-simulator")
	if len(target.secrets) > 0 {
		request.Header.Set(sonzaihook.SignatureHeader, s.sign(d, target))
	}
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
func (s *deliverer) sign(d *delivery, target target) string {
	if s.settings.repeatBytes && d.signature != "" {
		return d.signature
	}
	at := s.settings.clock()
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
