package once

import "errors"

// The errors of this package. The root of the module returns them under the same
// names.
var (
	ErrInFlight         = errors.New("sonzaihook: delivery in flight")
	ErrDone             = errors.New("sonzaihook: delivery handled before")
	ErrHandlerTimeout   = errors.New("sonzaihook: handler timeout")
	ErrShuttingDown     = errors.New("sonzaihook: shutting down")
	ErrOverloaded       = errors.New("sonzaihook: too many deliveries in flight")
	ErrStoreUnavailable = errors.New("sonzaihook: store unavailable")
	ErrStoreFull        = errors.New("sonzaihook: store full")
	ErrLeaseLost        = errors.New("sonzaihook: lease lost")
)
