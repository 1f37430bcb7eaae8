// Package wire reads bodies: from a connection into memory, and from JSON into an
// envelope and a payload, in one pass for both layouts.
//
//	media.go    CheckMedia: whether the headers say that a body is JSON
//	request.go  ReadRequest: what a request has for the receiver
//	body.go     Read: a body of bounded size, into pooled memory
//	peek.go     Peek: the type and the project, without decoding
//	message.go  Message: a body and what was read of it
//	envelope.go Envelope and Inner: the fields around a payload
//	layouts.go  Layouts: envelope and payload in one pass
//	lenient.go  the second pass, for a body with a value that does not fit
//	loose.go    values of an unexpected kind
//	times.go    times as databases and languages write them
//	identity.go PayloadDigest: the part of a body that makes two events the same
//	key.go      Key: the parts of an identity in one text
//
// It knows JSON and layouts, and no event type.
package wire

import (
	"bytes"
	"errors"
	"fmt"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The errors of this package. The root of the module returns them under the same
// names.
var (
	ErrUndecodable = errors.New("sonzaihook: undecodable body")
	ErrMisfit      = errors.New("sonzaihook: payload does not fit")

	ErrUnsupportedMediaType = errors.New("sonzaihook: unsupported media type")
	ErrBodyTooLarge         = errors.New("sonzaihook: body too large")
	ErrBodyConsumed         = errors.New("sonzaihook: body consumed before the receiver")
	ErrBodyUnreadable       = errors.New("sonzaihook: body unreadable")
)

// byteOrderMark may stand before a body. It is signed with it and means nothing.
var byteOrderMark = []byte("\ufeff")

// JSON returns a body without a byte order mark.
func JSON(body []byte) []byte { return bytes.TrimPrefix(body, byteOrderMark) }

// IsObject reports whether a body begins like a JSON object. The decoder checks
// the rest; an array or a null it would take for an empty event.
func IsObject(body []byte) bool {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	return len(trimmed) > 0 && trimmed[0] == '{'
}

// undecodable describes a decoder's error without any text of the body, which the
// decoder's own message would quote.
func undecodable(err error) error {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		what := "malformed JSON"
		if errors.Is(err, jsontext.ErrDuplicateName) {
			what = "duplicate key"
		}
		return fmt.Errorf("%w: %s at byte %d", ErrUndecodable, what, syntax.ByteOffset)
	}
	var semantic *jsonv2.SemanticError
	if errors.As(err, &semantic) {
		return fmt.Errorf("%w: JSON %v does not fit %v at byte %d",
			ErrUndecodable, semantic.JSONKind, semantic.GoType, semantic.ByteOffset)
	}
	return fmt.Errorf("%w: its payload refuses to be decoded", ErrUndecodable)
}
