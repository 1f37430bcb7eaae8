package redisscript

import "reflect"

// IsNil reports whether a client is nil, or an interface that holds nil.
func IsNil(client any) bool {
	v := reflect.ValueOf(client)
	switch v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice, reflect.Chan:
		return v.IsNil()
	}
	return false
}
