package sonzaiapi

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"
)

const redacted = "[redacted]"

// Secret is a signing secret or an Authorization value. It prints, logs and
// marshals as "[redacted]"; string(s) is the value itself.
type Secret string

// String returns "[redacted]", or nothing for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (s Secret) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, s.String()) }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is what JSON and other encodings hold.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Body is the body of a delivery or of its answer. It prints and logs as its
// length alone and marshals as base64.
type Body []byte

// String returns the length, such as "[312 bytes]".
func (b Body) String() string { return "[" + strconv.Itoa(len(b)) + " bytes]" }

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (b Body) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, b.String()) }

// LogValue implements [slog.LogValuer].
func (b Body) LogValue() slog.Value { return slog.StringValue(b.String()) }

// decodeBase64 reads base64, which is documented, or else takes the text as it
// is: no JSON object is a valid base64 text as well.
func decodeBase64(text string) Body {
	decoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return Body(text)
	}
	return decoded
}

// Time is a time as the platform wrote it. The embedded time is zero when there
// was none or when Text is not a time that the client knows.
type Time struct {
	time.Time
	// Text is the time as it stood in the answer.
	Text string
}

// String returns Text.
func (t Time) String() string { return t.Text }

// LogValue implements [slog.LogValuer].
func (t Time) LogValue() slog.Value { return slog.StringValue(t.Text) }

// MarshalJSON writes Text.
func (t Time) MarshalJSON() ([]byte, error) { return json.Marshal(t.Text) }

// MarshalText writes Text.
func (t Time) MarshalText() ([]byte, error) { return []byte(t.Text), nil }

// IsZero reports whether there was no time at all, known or not.
func (t Time) IsZero() bool { return t.Time.IsZero() && t.Text == "" }

// UnmarshalText reads a time. It never fails.
func (t *Time) UnmarshalText(text []byte) error {
	*t = parseTime(string(text))
	return nil
}

// UnmarshalJSON reads RFC 3339, the same without a zone (as UTC), and Unix
// seconds or milliseconds. It never fails.
func (t *Time) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		text = string(data)
	}
	if text == "null" {
		text = ""
	}
	*t = parseTime(text)
	return nil
}

// millisFrom is where a Unix time is read as milliseconds: as seconds it would
// lie in the year 5138.
const millisFrom = 100_000_000_000

func parseTime(text string) Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateTime, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return Time{at, text}
		}
	}
	unix, err := strconv.ParseInt(text, 10, 64)
	if err != nil || unix <= 0 {
		return Time{Text: text}
	}
	if unix >= millisFrom {
		return Time{time.UnixMilli(unix).UTC(), text}
	}
	return Time{time.Unix(unix, 0).UTC(), text}
}
