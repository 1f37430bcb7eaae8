package usercode

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// ErrPanicked is wrapped by every PanicError. The root of the module returns it under
// the same name.
var ErrPanicked = errors.New("sonzaihook: callback panicked")

// PanicError is a recovered panic.
type PanicError struct {
	text  string
	stack []byte
}

// Recovered returns the error for a value that recover returned. It must be called in
// the deferred function, where the stack is still that of the panic.
func Recovered(v any) *PanicError {
	return &PanicError{text: PanicText(v), stack: debug.Stack()}
}

// Error returns the text of the panic, without the stack.
func (e *PanicError) Error() string { return ErrPanicked.Error() + ": " + e.text }

// Unwrap returns ErrPanicked.
func (e *PanicError) Unwrap() error { return ErrPanicked }

// StackOf returns the stack of the panic that err wraps, or nil.
func StackOf(err error) (stack []byte) {
	defer func() { _ = recover() }()
	var p *PanicError
	if errors.As(err, &p) {
		return p.stack
	}
	return nil
}

// PanicText returns the text of a recovered value, whose own methods may panic.
func PanicText(v any) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("a value of type %T", v)
		}
	}()
	return fmt.Sprint(v)
}
