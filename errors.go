package sonzaihook

import "errors"

// What can go wrong, one value each. Every error of this package wraps one of
// these and is matched with [errors.Is]. None holds a secret, a signature, an
// Authorization value or a part of a body.

// Refusals of the signature; all are answered with the same 401.
var (
	// ErrMissingSignature: the Sonzai-Signature header is absent or empty.
	ErrMissingSignature = errors.New("sonzaihook: missing signature")
	// ErrMalformedSignature: the header does not have the documented form.
	ErrMalformedSignature = errors.New("sonzaihook: malformed signature")
	// ErrSignatureMismatch: no configured secret signs this body so.
	ErrSignatureMismatch = errors.New("sonzaihook: signature mismatch")
	// ErrTimestampOutsideTolerance: the signature is too old or too new.
	ErrTimestampOutsideTolerance = errors.New("sonzaihook: timestamp outside tolerance")
	// ErrSecretOfOtherType: a secret verified the delivery, but that secret
	// belongs to another event type than the one that the delivery carries.
	ErrSecretOfOtherType = errors.New("sonzaihook: signed with the secret of another event type")
	// ErrWrongAuthorization: the Authorization header is not the one given to
	// [WithAuthorization].
	ErrWrongAuthorization = errors.New("sonzaihook: wrong authorization")
)

// ErrSecretAwaited means that no configured secret signs this body so, but a new one is
// under way, see [Receiver.RotateFrom]. It is answered 503.
var ErrSecretAwaited = errors.New("sonzaihook: signature mismatch while a new secret is awaited")

// Refusals of the request around the body.
var (
	// ErrMethodNotAllowed: the method is not POST.
	ErrMethodNotAllowed = errors.New("sonzaihook: method not allowed")
	// ErrBodyTooLarge: the body is longer than [WithMaxBody] allows.
	ErrBodyTooLarge = errors.New("sonzaihook: body too large")
	// ErrUnsupportedMediaType: the content type is not JSON, or the body has a
	// content encoding.
	ErrUnsupportedMediaType = errors.New("sonzaihook: unsupported media type")
	// ErrBodyConsumed: something read the body before the receiver did.
	ErrBodyConsumed = errors.New("sonzaihook: body consumed before the receiver")
	// ErrBodyUnreadable: the connection broke while the body was read.
	ErrBodyUnreadable = errors.New("sonzaihook: body unreadable")
)

// What becomes of an authentic delivery that was not processed.
var (
	// ErrUndecodable: the body is not one JSON object of the expected form.
	ErrUndecodable = errors.New("sonzaihook: undecodable body")
	// ErrInvalid: the [Validator] refused the event.
	ErrInvalid = errors.New("sonzaihook: invalid event")
	// ErrPanicked: a callback panicked.
	ErrPanicked = errors.New("sonzaihook: callback panicked")
	// ErrHandlerTimeout: a callback ran past [WithHandlerTimeout]. It is also
	// the cause of the context that the callback was given.
	ErrHandlerTimeout = errors.New("sonzaihook: handler timeout")
	// ErrInFlight: a copy of the delivery is running right now.
	ErrInFlight = errors.New("sonzaihook: delivery in flight")
	// ErrQueueUnavailable: the function of [WithHandOff] returned an error.
	ErrQueueUnavailable = errors.New("sonzaihook: queue unavailable")
	// ErrNoDeadLetter: [Receiver.DeadLetter] was called and no function is
	// registered with [Receiver.OnDeadLetter].
	ErrNoDeadLetter = errors.New("sonzaihook: no dead letter function")
	// ErrShuttingDown: [Receiver.Shutdown] was called.
	ErrShuttingDown = errors.New("sonzaihook: shutting down")
	// ErrOverloaded: as many deliveries run as [WithMaxInFlight] allows.
	ErrOverloaded = errors.New("sonzaihook: too many deliveries in flight")
)

// What a [Store] reports.
var (
	// ErrStoreUnavailable: a claim failed or took too long.
	ErrStoreUnavailable = errors.New("sonzaihook: store unavailable")
	// ErrStoreFull: a bounded store holds nothing but running claims.
	ErrStoreFull = errors.New("sonzaihook: store full")
	// ErrLeaseLost: the claim belongs to another holder by now. It is also the
	// cause of the context of a callback whose claim could not be renewed.
	ErrLeaseLost = errors.New("sonzaihook: lease lost")
)

// What a caller got wrong.
var (
	// ErrInvalidSecret: a secret is absent, blank, nothing but "whsec_", or has
	// white space at either end.
	ErrInvalidSecret = errors.New("sonzaihook: invalid secret")
	// ErrInvalidOption: an option was given a value that it cannot have.
	ErrInvalidOption = errors.New("sonzaihook: invalid option")
)
