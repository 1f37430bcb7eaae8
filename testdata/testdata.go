// Package testdata holds one delivery body for each event type and layout, and
// signature vectors. The tests of this module and the package hooktest read them.
//
// For an event type T there are T.json, whose payload stands under "data", and
// T.flat.json, whose payload is beside the envelope's fields, both with names
// that were seen for them. agent.wakeup.bare.json is a body without an event type.
//
// signatures.json is an array of objects: secret, body, header, now (Unix
// seconds), tolerance_seconds, and the verdict of the signature scheme: ok,
// missing, malformed, outside_tolerance, mismatch or invalid_secret.
package testdata

import "embed"

// Files are the JSON files of this directory.
//
//go:embed *.json
var Files embed.FS
