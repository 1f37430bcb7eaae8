package sonzaihook

import (
	"github.com/sonzaihook/sonzaihook/internal/once"
	"github.com/sonzaihook/sonzaihook/internal/signature"
)

// inbound is what flows through a receiver: a delivery, what is known of it, and
// its run, in one piece of memory. User code sees the Delivery alone and may write
// to it, so what the receiver relies on later is kept beside it.
//
// One goroutine owns an inbound: the caller's until the run begins, then that of
// the run until once.Runner.Do returns nil.
type inbound struct {
	once.Attempt
	Delivery Delivery // what user code sees

	key    signature.Match // what verified it; none where the caller of Dispatch vouches for it
	peeked EventType       // the type before decoding, empty where it could not be read

	about  about      // what an outcome says of it
	sent   []byte     // Delivery.Body as it was decoded
	route  *route     // what is registered for the type
	events []anyEvent // one *Event[T] for each T of the route
	first  [1]anyEvent
	misfit []string

	table   *routeTable // what was registered when the run began
	refused error       // why no callback may run and only the dead letter is left
	end     ending      // what became of the run
}

// signed reports whether a secret verified the delivery.
func (in *inbound) signed() bool { return in.key.Key != nil }

// describe fills in which delivery an outcome is of, which only an authentic one may
// say.
func (in *inbound) describe(o *Outcome) {
	o.Source, o.SignedAt = in.about.source, in.Delivery.SignedAt
	if o.Code != CodeUnauthorized {
		o.Type, o.DeliveryID, o.Project = in.about.typ, in.about.id, in.about.project
		o.Retiring = in.signed() && in.key.Retiring()
	}
}
