package simulator

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// DeliveryFault is what goes wrong with attempts to deliver. Several fields may
// be set.
type DeliveryFault struct {
	// EventType narrows the fault to one event type; empty means all.
	EventType string
	// Times is how many attempts it meets; 0 means all until
	// [Simulator.Behave].
	Times int

	// Delay passes before the attempt is made.
	Delay time.Duration
	// Duplicates are further deliveries of the same event that are made beside
	// the first.
	Duplicates int
	// HoldBack lets a later delivery overtake: the first attempt is made after
	// the next attempt of another event, or after a second of the platform's
	// time.
	HoldBack bool
	// Drop loses the attempt on its way. It counts as a failed connection.
	Drop bool
	// DropAnswer loses the answer: the receiver has handled the delivery, the
	// platform does not know and tries again.
	DropAnswer bool
}

// CallFault is what goes wrong with calls of the API. Several fields may be set.
type CallFault struct {
	// Call narrows the fault to one call in the form of the routes, such as
	// "GET /projects/{projectId}/webhooks"; empty means all. See [Calls].
	Call string
	// Times is how many calls it meets; 0 means all until [Simulator.Behave].
	Times int

	// Delay passes before the call is handled.
	Delay time.Duration
	// Status is answered instead of handling the call, as a problem document:
	// 503 refuses, 429 limits the rate.
	Status int
	// RetryAfter is sent with Status as a header, in whole seconds.
	RetryAfter time.Duration
	// HTML answers Status, or else 200, with a web page.
	HTML bool
	// Drop closes the connection instead of handling the call.
	Drop bool
	// DropAnswer handles the call and closes the connection instead of
	// answering.
	DropAnswer bool
}

// faults are what goes wrong, the newest first.
type faults struct {
	mu         sync.Mutex
	deliveries []DeliveryFault
	calls      []CallFault
}

// MisbehaveDeliveries adds a fault. Where several fit an attempt, the one added
// last counts.
func (s *Simulator) MisbehaveDeliveries(fault DeliveryFault) error {
	if fault.Delay <= 0 && fault.Duplicates <= 0 && !fault.HoldBack && !fault.Drop && !fault.DropAnswer {
		return fmt.Errorf("%w: nothing of it goes wrong", ErrInvalidFault)
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.deliveries = slices.Insert(s.faults.deliveries, 0, fault)
	return nil
}

// MisbehaveCalls adds a fault. Where several fit a call, the one added last
// counts.
func (s *Simulator) MisbehaveCalls(fault CallFault) error {
	switch {
	case fault.Call != "" && !slices.Contains(Calls(), fault.Call):
		return fmt.Errorf("%w: there is no call %q", ErrInvalidFault, fault.Call)
	case fault.Status != 0 && (fault.Status < 300 || fault.Status > 599):
		return fmt.Errorf("%w: its status is not 300 to 599", ErrInvalidFault)
	case fault.Delay <= 0 && fault.Status == 0 && !fault.HTML && !fault.Drop && !fault.DropAnswer:
		return fmt.Errorf("%w: nothing of it goes wrong", ErrInvalidFault)
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.calls = slices.Insert(s.faults.calls, 0, fault)
	return nil
}

// Behave ends all faults.
func (s *Simulator) Behave() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.deliveries, s.faults.calls = nil, nil
}

func (f *faults) forDelivery(d *delivery) DeliveryFault {
	if d.fault != nil {
		fault := *d.fault
		d.fault = nil
		return fault
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.deliveries {
		fault := &f.deliveries[i]
		if fault.EventType != "" && fault.EventType != d.eventType {
			continue
		}
		met := *fault
		f.deliveries = spend(f.deliveries, i, &fault.Times)
		return met
	}
	return DeliveryFault{}
}

func (f *faults) forCall(route string) CallFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.calls {
		fault := &f.calls[i]
		if fault.Call != "" && fault.Call != route {
			continue
		}
		met := *fault
		f.calls = spend(f.calls, i, &fault.Times)
		return met
	}
	return CallFault{}
}

// spend counts a fault down and removes it after its last time.
func spend[T any](list []T, i int, times *int) []T {
	switch *times {
	case 0:
		return list
	case 1:
		return slices.Delete(list, i, i+1)
	}
	*times--
	return list
}

// holdLimit is how long a held delivery waits for another to overtake it.
const holdLimit = time.Second

// holdings are the deliveries that are held back.
type holdings struct {
	mu   sync.Mutex
	list []*delivery
}

// holdBack keeps a delivery until the next attempt of another, or the limit.
func (s *Simulator) holdBack(d *delivery, fault DeliveryFault) {
	fault.HoldBack = false
	d.fault = &fault
	s.held.mu.Lock()
	s.held.list = append(s.held.list, d)
	s.held.mu.Unlock()
	s.after(s.shorten(holdLimit), func() {
		if s.held.take(d) {
			s.deliver(d)
		}
	})
}

// letGo sends what is held back.
func (s *Simulator) letGo() {
	s.held.mu.Lock()
	freed := s.held.list
	s.held.list = nil
	s.held.mu.Unlock()
	for _, d := range freed {
		s.after(0, func() { s.deliver(d) })
	}
}

// take reports whether the delivery was still held.
func (h *holdings) take(d *delivery) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.Index(h.list, d)
	if i < 0 {
		return false
	}
	h.list = slices.Delete(h.list, i, i+1)
	return true
}
