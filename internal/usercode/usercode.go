// Package usercode guards against functions, errors and loggers that are not the
// library's: any of them may panic, and their texts may be of any length.
//
//	panic.go  PanicError: a recovered panic
//	reason.go Because: an error of the library with the user's behind it
//	text.go   Text, Bounded: texts for the log
//	logger.go Logger: a slog.Logger whose handler may panic
//	clock.go  Clock: a clock that may panic
//
// It knows nothing of deliveries.
package usercode

import "reflect"

// IsNil reports whether v, which is not nil itself, holds a nil pointer or the like.
func IsNil(v any) bool {
	if v == nil {
		return false
	}
	switch rv := reflect.ValueOf(v); rv.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Func, reflect.Chan, reflect.Slice:
		return rv.IsNil()
	}
	return false
}
