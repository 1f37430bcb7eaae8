package sonzaihook

import (
	"errors"

	"github.com/sonzaihook/sonzaihook/internal/once"
	"github.com/sonzaihook/sonzaihook/internal/signature"
	"github.com/sonzaihook/sonzaihook/internal/wire"
)

// What can go wrong, one value each. Every error of this package wraps one of
// these and is matched with [errors.Is]. None holds a secret, a signature, an
// Authorization value or a part of a body.

// Refusals of the signature; all are answered with the same 401.
var (
	// ErrMissingSignature: the Sonzai-Signature header is absent or empty.
	ErrMissingSignature = signature.ErrMissing
	// ErrMalformedSignature: the header does not have the documented form.
	ErrMalformedSignature = signature.ErrMalformed
	// ErrSignatureMismatch: no configured secret signs this body so.
	ErrSignatureMismatch = signature.ErrMismatch
	// ErrTimestampOutsideTolerance: the signature is too old or too new.
	ErrTimestampOutsideTolerance = signature.ErrTimestamp
	// ErrSecretOfOtherType: a secret verified the delivery, but that secret
	// belongs to another event type than the one that the delivery carries. A
	// receiver looks for such a secret up to 32 times a second; beyond that the
	// error is ErrSignatureMismatch.
	ErrSecretOfOtherType = signature.ErrOtherType
	// ErrWrongAuthorization: the Authorization header is not the one given to
	// [WithAuthorization].
	ErrWrongAuthorization = errors.New("sonzaihook: wrong authorization")
)

// Signatures that cannot be judged yet; all are answered 503.
var (
	// ErrSecretAwaited: no configured secret signs this body so, but a new one is
	// under way, see [Receiver.RotateFrom].
	ErrSecretAwaited = signature.ErrAwaited
	// ErrSecretSource: the function of [WithSecretSource] failed, and no secret that
	// is known signs this body so.
	ErrSecretSource = signature.ErrSource
)

// ErrUnknownProject is what the function of [WithSecretSource] returns for a project
// that does not exist. Its deliveries are refused.
var ErrUnknownProject = signature.ErrUnknownProject

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
	// ErrUndecodable: the body is not one JSON object with an event type.
	ErrUndecodable = wire.ErrUndecodable
	// ErrMisfit: a struct that was given to [On] does not fit the payload. The text
	// names the struct and the fields.
	ErrMisfit = wire.ErrMisfit
	// ErrInvalid: the [Validator] refused the event.
	ErrInvalid = errors.New("sonzaihook: invalid event")
	// ErrPanicked: code of the user's panicked.
	ErrPanicked = errors.New("sonzaihook: callback panicked")
	// ErrHandlerTimeout: a callback ran past [WithHandlerTimeout]. It is also
	// the cause of the context that the callback was given.
	ErrHandlerTimeout = once.ErrHandlerTimeout
	// ErrInFlight: a copy of the delivery is running right now.
	ErrInFlight = once.ErrInFlight
	// ErrQueueUnavailable: the function of [WithHandOff] returned an error.
	ErrQueueUnavailable = errors.New("sonzaihook: queue unavailable")
	// ErrNoDeadLetter: [Receiver.DeadLetter] was called and no function is
	// registered with [Receiver.OnDeadLetter].
	ErrNoDeadLetter = errors.New("sonzaihook: no dead letter function")
	// ErrShuttingDown: [Receiver.Shutdown] was called.
	ErrShuttingDown = once.ErrShuttingDown
	// ErrOverloaded: as many deliveries run as [WithMaxInFlight] allows.
	ErrOverloaded = once.ErrOverloaded
)

// What a [Store] reports.
var (
	// ErrStoreUnavailable: a claim failed or took too long.
	ErrStoreUnavailable = once.ErrStoreUnavailable
	// ErrStoreFull: a bounded store holds nothing but running claims.
	ErrStoreFull = once.ErrStoreFull
	// ErrLeaseLost: the claim belongs to another holder by now. It is also the
	// cause of the context of a callback whose claim could not be renewed.
	ErrLeaseLost = once.ErrLeaseLost
)

// What a caller got wrong.
var (
	// ErrInvalidSecret: a secret is absent, blank, nothing but "whsec_", has white
	// space at either end, or still carries what it was wrapped in: quotes, the name
	// of a variable, a placeholder, a byte order mark or an invisible character.
	ErrInvalidSecret = signature.ErrInvalidSecret
	// ErrInvalidOption: an option was given a value that it cannot have.
	ErrInvalidOption = errors.New("sonzaihook: invalid option")
)
