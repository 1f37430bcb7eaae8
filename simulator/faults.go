package simulator

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// DeliveryFault is what goes wrong with attempts to deliver. Several fields may
// be set.
type DeliveryFault struct {
	// EventType narrows the fault to one event type, by the name of the event or
	// by that of the registration; empty means all.
	EventType string
	// Times is how many attempts it meets; 0 means all until
	// [Simulator.Behave].
	Times int

	// Delay passes before the attempt is made.
	Delay time.Duration
	// Duplicates is the number of additional deliveries of the same event.
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

// ErrInvalidFault means that a fault names an unknown call, or nothing that goes
// wrong.
var ErrInvalidFault = errors.New("simulator: invalid fault")

// faults are what goes wrong, the newest first.
type faults struct {
	mu         sync.Mutex
	deliveries []DeliveryFault
	calls      []CallFault
}

func (f *faults) addForDeliveries(fault DeliveryFault) error {
	if fault.Delay <= 0 && fault.Duplicates <= 0 && !fault.HoldBack && !fault.Drop && !fault.DropAnswer {
		return fmt.Errorf("%w: nothing of it goes wrong", ErrInvalidFault)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deliveries = slices.Insert(f.deliveries, 0, fault)
	return nil
}

func (f *faults) addForCalls(fault CallFault, calls []string) error {
	switch {
	case fault.Call != "" && !slices.Contains(calls, fault.Call):
		return fmt.Errorf("%w: there is no call %q", ErrInvalidFault, fault.Call)
	case fault.Status != 0 && (fault.Status < 300 || fault.Status > 599):
		return fmt.Errorf("%w: its status is not 300 to 599", ErrInvalidFault)
	case fault.Delay <= 0 && fault.Status == 0 && !fault.HTML && !fault.Drop && !fault.DropAnswer:
		return fmt.Errorf("%w: nothing of it goes wrong", ErrInvalidFault)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = slices.Insert(f.calls, 0, fault)
	return nil
}

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deliveries, f.calls = nil, nil
}

// forDelivery returns the fault for an attempt whose event has one of these names.
func (f *faults) forDelivery(names ...string) DeliveryFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.deliveries {
		fault := &f.deliveries[i]
		if fault.EventType != "" && !slices.Contains(names, fault.EventType) {
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
