package sonzaihook

import (
	"errors"

	"github.com/sonzaihook/sonzaihook/internal/once"
	"github.com/sonzaihook/sonzaihook/internal/signature"
	"github.com/sonzaihook/sonzaihook/internal/usercode"
	"github.com/sonzaihook/sonzaihook/internal/wire"
)

// The errors of this package. Every error that it returns wraps one of these and is
// matched with [errors.Is]. None holds a secret, a signature, an Authorization value or
// a part of a body.

// The signature was refused; all are answered with the same 401.
var (
	// ErrMissingSignature: the Sonzai-Signature header is absent or empty.
	ErrMissingSignature = signature.ErrMissing
	// ErrMalformedSignature: the header does not have the documented form.
	ErrMalformedSignature = signature.ErrMalformed
	// ErrSignatureMismatch: the signature was not made with any of the secrets.
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

// The signature cannot be checked yet; all are answered 503.
var (
	// ErrSecretAwaited: the signature was not made with any of the secrets, but a
	// rotation is in progress, see [Receiver.RotateFrom].
	ErrSecretAwaited = signature.ErrAwaited
	// ErrSecretSource: the function of [WithSecretSource] failed, and no known
	// secret made this signature.
	ErrSecretSource = signature.ErrSource
)

// ErrUnknownProject is what the function of [WithSecretSource] returns for a project
// that does not exist. Its deliveries are refused.
var ErrUnknownProject = signature.ErrUnknownProject

// The request was refused for something other than its signature.
var (
	// ErrMethodNotAllowed: the method is not POST.
	ErrMethodNotAllowed = errors.New("sonzaihook: method not allowed")
	// ErrBodyTooLarge: the body is longer than [WithMaxBody] allows.
	ErrBodyTooLarge = wire.ErrBodyTooLarge
	// ErrUnsupportedMediaType: the content type is not JSON, or the body has a
	// content encoding.
	ErrUnsupportedMediaType = wire.ErrUnsupportedMediaType
	// ErrBodyConsumed: something read the body before the receiver did.
	ErrBodyConsumed = wire.ErrBodyConsumed
	// ErrBodyUnreadable: the connection broke while the body was read.
	ErrBodyUnreadable = wire.ErrBodyUnreadable
)

// The delivery is authentic and was not processed.
var (
	// ErrUndecodable: the body is not one JSON object with an event type.
	ErrUndecodable = wire.ErrUndecodable
	// ErrMisfit: a struct that was given to [On] does not fit the payload. The text
	// names the struct and the fields.
	ErrMisfit = wire.ErrMisfit
	// ErrInvalid: the [Validator] refused the event.
	ErrInvalid = errors.New("sonzaihook: invalid event")
	// ErrPanicked: a callback, or another function of the user's, panicked.
	ErrPanicked = usercode.ErrPanicked
	// ErrHandlerTimeout: a callback ran past [WithHandlerTimeout]. It is also
	// the cause of the context that the callback was given.
	ErrHandlerTimeout = once.ErrHandlerTimeout
	// ErrInFlight: a copy of the delivery is still running.
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

// Errors of a [Store].
var (
	// ErrStoreUnavailable: a claim failed or took too long.
	ErrStoreUnavailable = once.ErrStoreUnavailable
	// ErrStoreFull: a bounded store holds nothing but running claims.
	ErrStoreFull = once.ErrStoreFull
	// ErrLeaseLost: the claim now belongs to another holder. It is also the
	// cause of the context of a callback whose claim could not be renewed.
	ErrLeaseLost = once.ErrLeaseLost
)

// Errors of the caller.
var (
	// ErrInvalidSecret: a secret is absent, blank, nothing but "whsec_", has white
	// space at either end, or still carries what it was wrapped in: quotes, the name
	// of a variable, a placeholder, a byte order mark or an invisible character.
	ErrInvalidSecret = signature.ErrInvalidSecret
	// ErrInvalidOption: an option has an invalid value.
	ErrInvalidOption = errors.New("sonzaihook: invalid option")
)
