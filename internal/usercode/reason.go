package usercode

// reasonError is an error of the user's with the error of the library that decides
// what becomes of it.
type reasonError struct {
	reason error
	text   string
	cause  error
}

// Because returns an error that wraps reason and cause. Its text is reason's and
// text, which was read before because the methods of cause may panic.
func Because(reason error, text string, cause error) error {
	return &reasonError{reason: reason, text: text, cause: cause}
}

func (e *reasonError) Error() string   { return e.reason.Error() + ": " + e.text }
func (e *reasonError) Unwrap() []error { return []error{e.reason, e.cause} }

// Reason returns the reason of an error that Because made, and any other error as it
// is. It calls no method of either.
func Reason(err error) error {
	if e, ok := err.(*reasonError); ok { //nolint:errorlint // what it wraps is the user's
		return e.reason
	}
	return err
}
