package wire

import (
	"encoding"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// tolerant lets half a surrogate pair stand in a text, where it becomes U+FFFD. It
// would let bytes that are not UTF-8 pass too, which readLoose excludes.
var tolerant = jsontext.AllowInvalidUTF8(true)

// loosening decodes one payload and notes what did not fit. It is for one
// goroutine.
type loosening struct {
	custom bool // T is the user's: unknown types are left to the decoder
	misfit []string
}

// decode decodes a value into to, a pointer to a struct or anything else.
func (l *loosening) decode(value jsontext.Value, to any) error {
	return jsonv2.Unmarshal(value, to, tolerant, jsonv2.WithUnmarshalers(jsonv2.UnmarshalFromFunc(l.value)))
}

// value is called for every Go value that is decoded, with a pointer to it.
func (l *loosening) value(dec *jsontext.Decoder, to any) error {
	v := reflect.ValueOf(to).Elem()
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		return l.scalar(dec, v)
	case v.Type() == reflect.TypeFor[json.RawMessage](), v.Type() == reflect.TypeFor[jsontext.Value](), decodesItself(to):
		return errors.ErrUnsupported
	}
	switch v.Kind() {
	case reflect.String, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return l.scalar(dec, v)
	case reflect.Slice:
		return l.slice(dec, v)
	case reflect.Struct:
		if kind := dec.PeekKind(); kind != '{' && kind != 'n' {
			return l.skip(dec)
		}
	}
	return errors.ErrUnsupported
}

func decodesItself(to any) bool {
	switch to.(type) {
	case json.Unmarshaler, jsonv2.UnmarshalerFrom, encoding.TextUnmarshaler:
		return true
	}
	return false
}

// skip skips a value that does not fit.
func (l *loosening) skip(dec *jsontext.Decoder) error {
	l.add(fieldOf(dec))
	return dec.SkipValue()
}

// add remembers the name of a field whose value does not fit.
func (l *loosening) add(name string) {
	if !slices.Contains(l.misfit, name) {
		l.misfit = append(l.misfit, name)
	}
}

// fieldOf returns the name of the field whose value is about to be read.
func fieldOf(dec *jsontext.Decoder) string { return dotted(dec.StackPointer()) }

// dotted returns a JSON pointer as names joined by dots, without array indices.
func dotted(p jsontext.Pointer) string {
	var names []string
	for name := range p.Tokens() {
		if _, err := strconv.ParseUint(name, 10, 64); err != nil {
			names = append(names, name)
		}
	}
	return strings.Join(names, ".")
}

// scalar reads a string, a bool, a number or a time from any kind of scalar.
func (l *loosening) scalar(dec *jsontext.Decoder, to reflect.Value) error {
	if dec.PeekKind() == 'n' {
		return errors.ErrUnsupported
	}
	name := fieldOf(dec)
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	if setLoose(raw, to) {
		return nil
	}
	if l.custom && jsonv2.Unmarshal(raw, to.Addr().Interface()) == nil {
		return nil
	}
	to.SetZero()
	l.add(name)
	return nil
}

// slice reads an array. One of scalars fits as a whole or not at all; of one of
// structs every element must be an object.
func (l *loosening) slice(dec *jsontext.Decoder, to reflect.Value) error {
	kind := dec.PeekKind()
	if kind == 'n' || to.Type().Elem().Kind() == reflect.Uint8 {
		return errors.ErrUnsupported
	}
	if kind != '[' {
		return l.skip(dec)
	}
	name := fieldOf(dec)
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	inner := &loosening{custom: l.custom}
	if fitting(raw, to.Type().Elem()) && inner.decodeElements(raw, to) {
		for _, field := range inner.misfit {
			l.add(name + "." + field)
		}
		return nil
	}
	to.SetZero()
	l.add(name)
	return nil
}

// fitting reports whether each element of an array may fit the type.
func fitting(array jsontext.Value, element reflect.Type) bool {
	var elements []jsontext.Value
	if jsonv2.Unmarshal(array, &elements, tolerant) != nil {
		return false
	}
	return !slices.ContainsFunc(elements, func(v jsontext.Value) bool {
		return element.Kind() == reflect.Struct && element != reflect.TypeFor[time.Time]() && v.Kind() != '{' && v.Kind() != 'n'
	})
}

func (l *loosening) decodeElements(array jsontext.Value, to reflect.Value) bool {
	var elements []jsontext.Value
	if jsonv2.Unmarshal(array, &elements, tolerant) != nil {
		return false
	}
	all := reflect.MakeSlice(to.Type(), len(elements), len(elements))
	for i, element := range elements {
		at := &loosening{custom: l.custom}
		if at.decode(element, all.Index(i).Addr().Interface()) != nil || slices.Contains(at.misfit, "") {
			return false
		}
		for _, name := range at.misfit {
			l.add(name)
		}
	}
	to.Set(all)
	return true
}

// setLoose sets a scalar from a string, a number or a bool, and reports whether
// that fits.
func setLoose(raw jsontext.Value, to reflect.Value) bool {
	if to.Type() == reflect.TypeFor[time.Time]() {
		t, ok := looseTime(raw)
		to.Set(reflect.ValueOf(t))
		return ok
	}
	text, ok := looseText(raw)
	switch to.Kind() {
	case reflect.String:
		to.SetString(text)
		return ok
	case reflect.Bool:
		if raw.Kind() == 't' || raw.Kind() == 'f' {
			text = string(raw)
		}
		b, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(text)))
		to.SetBool(b)
		return err == nil
	case reflect.Float32, reflect.Float64:
		f, ok := number(text)
		if !ok || to.OverflowFloat(f) {
			return false
		}
		to.SetFloat(f)
		return true
	}
	return setInteger(text, to)
}

func setInteger(text string, to reflect.Value) bool {
	text = strings.TrimSpace(text)
	signed, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		f, ok := number(text)
		if !ok || f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
			return false
		}
		signed = int64(f)
	}
	if to.CanInt() && !to.OverflowInt(signed) {
		to.SetInt(signed)
		return true
	}
	if to.CanUint() && signed >= 0 && !to.OverflowUint(uint64(signed)) {
		to.SetUint(uint64(signed))
		return true
	}
	return false
}

// looseTime returns the time in a string or a number, see ParseTime.
func looseTime(v jsontext.Value) (time.Time, bool) {
	text, ok := looseText(v)
	if !ok {
		return time.Time{}, false
	}
	return ParseTime(text)
}

// looseText returns the text of a string, or of a number as it is written.
func looseText(v jsontext.Value) (string, bool) {
	switch v.Kind() {
	case '0':
		return string(v), true
	case '"':
		text, _ := jsontext.AppendUnquote(nil, v)
		return string(text), true
	}
	return "", false
}

// exactText returns the text of a string so that two different texts never become
// one: half a surrogate pair is kept, in a form that no valid text has.
func exactText(v jsontext.Value) string {
	if v.Kind() != '"' {
		return string(v)
	}
	text, err := jsontext.AppendUnquote(nil, v)
	if err == nil {
		return string(text)
	}
	exact := make([]byte, 0, len(v))
	for s := v[1 : len(v)-1]; len(s) > 0; {
		if unit, ok := escapedUnit(s); ok {
			s = s[6:]
			if low, ok := escapedUnit(s); ok && utf16.IsSurrogate(rune(unit)) {
				if r := utf16.DecodeRune(rune(unit), rune(low)); r != utf8.RuneError {
					exact, s = utf8.AppendRune(exact, r), s[6:]
					continue
				}
			}
			if utf16.IsSurrogate(rune(unit)) {
				exact = append(exact, 0xe0|byte(unit>>12), 0x80|byte(unit>>6)&0x3f, 0x80|byte(unit)&0x3f)
			} else {
				exact = utf8.AppendRune(exact, rune(unit))
			}
			continue
		}
		n := 1
		if s[0] == '\\' {
			n = 2
		}
		n = min(n, len(s))
		piece, _ := jsontext.AppendUnquote(nil, append(append([]byte{'"'}, s[:n]...), '"'))
		if n == 1 {
			piece = s[:1]
		}
		exact, s = append(exact, piece...), s[n:]
	}
	return string(exact)
}

// escapedUnit returns the UTF-16 unit of an escape \uXXXX that s begins with.
func escapedUnit(s []byte) (uint16, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(s[2:6]), 16, 16)
	return uint16(unit), err == nil
}
