// Package validatehook checks events with go-playground/validator v10 before a
// callback gets them.
//
//	hooks, err := sonzaihook.New(secrets, sonzaihook.WithValidator(validatehook.New()))
//
// What it refuses goes to Receiver.OnDeadLetter and is answered 422. It says which
// field is wrong, by its name in the JSON, and what is wrong with it, and never
// what the field holds.
//
// The payloads of the documented events are refused only where they cannot be
// used: an event without an agent id (except a wakeup, which was seen without), a
// message without content, a memory with neither a text nor an id. Nothing else
// about them is documented, so nothing else is required. To require more, use your
// own structs with validate tags and sonzaihook.On.
package validatehook

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-playground/validator/v10"

	"github.com/sonzaihook/sonzaihook"
)

// Validator checks structs by their validate tags. Make one with [New] or [With].
// It is safe for concurrent use.
type Validator struct {
	rules *validator.Validate
}

var _ sonzaihook.Validator = (*Validator)(nil)

// New returns a validator with the rules of go-playground/validator.
func New() *Validator {
	return With(validator.New(validator.WithRequiredStructEnabled()))
}

// With returns a validator with the rules of v, also those that were registered. It
// does not change v, and v may be used elsewhere. Register rules before the first
// delivery. It panics if v is nil.
func With(v *validator.Validate) *Validator {
	if v == nil {
		panic("validatehook: With(nil)")
	}
	return &Validator{rules: v}
}

// Struct checks a struct or a pointer to one and returns nil or an [*Error]. For
// anything else the error is the one of go-playground/validator. A tag with a rule
// that is not registered panics, which a receiver answers with 500: the delivery
// comes again.
func (v *Validator) Struct(s any) error {
	err := v.rules.Struct(s)
	var failures validator.ValidationErrors
	if !errors.As(err, &failures) {
		return err
	}
	found := &Error{Fields: make([]Field, len(failures)), failures: failures}
	for i, failure := range failures {
		at := locate(reflect.TypeOf(s), failure.StructNamespace())
		found.Fields[i] = Field{Name: at.name, Rule: failure.Tag(), Problem: describe(failure, at.parent)}
	}
	return found
}

// Error lists the fields of an event that break a rule, in the order of the
// struct. It holds no value of a field.
type Error struct {
	Fields []Field

	failures validator.ValidationErrors
}

// Field is one field that breaks a rule.
type Field struct {
	// Name is the field as it stands in the JSON, from the payload on:
	// "content", "wakeup.intent", "diary_entries[2].date". The keys of a map are
	// data and shown as "[*]".
	Name string
	// Rule is the tag that was broken: "required", "max", or one that was registered.
	Rule string
	// Problem says what is wrong: "is required", "must be at most 1".
	Problem string
}

// listed is how many fields the text of an error names: an array in a body may
// have any number of elements, and each may be wrong.
const listed = 10

// Error names the first ten fields and counts the others.
func (e *Error) Error() string {
	var text strings.Builder
	text.WriteString("validatehook: ")
	for i, field := range e.Fields {
		if i == listed {
			fmt.Fprintf(&text, "; and %d more", len(e.Fields)-listed)
			break
		}
		if i > 0 {
			text.WriteString("; ")
		}
		text.WriteString(field.Name + " " + field.Problem)
	}
	return text.String()
}

// Unwrap returns the validator.ValidationErrors. They hold the values of the
// fields: do not log those.
func (e *Error) Unwrap() error { return e.failures }
