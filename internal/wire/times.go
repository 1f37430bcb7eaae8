package wire

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// layouts are tried in order, on a text that normal has prepared. Fractions of a
// second are read after every layout with seconds.
var layouts = func() []string {
	var all []string
	for _, day := range []string{"2006-01-02", "2006/01/02", "20060102"} {
		for _, clock := range []string{"T15:04:05", "T15:04", "T150405"} {
			for _, zone := range []string{"", "Z07:00", "-0700", "-07"} {
				all = append(all, day+clock+zone)
			}
		}
		all = append(all, day)
	}
	return all
}()

// textual are layouts with names of days and months.
var textual = []string{
	time.RFC1123, time.RFC1123Z, time.RFC850, time.RFC822, time.RFC822Z, time.ANSIC, time.UnixDate, time.RubyDate,
	"Mon, 2 Jan 2006 15:04:05 MST", "Mon, 2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 -0700",
	"Mon Jan 02 2006 15:04:05 GMT-0700", "Jan 2, 2006 15:04:05",
}

// ParseTime reads RFC 3339 and similar formats of databases and languages,
// and Unix time in seconds, milli-, micro- or nanoseconds. It reports whether the
// text is a time.
func ParseTime(text string) (time.Time, bool) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > 80 {
		return time.Time{}, false
	}
	if t, ok := unixTime(text); ok {
		return t, true
	}
	prepared := normal(text)
	for _, layout := range layouts {
		if t, err := time.Parse(layout, prepared); err == nil {
			return t, !t.IsZero()
		}
	}
	text, _, _ = strings.Cut(text, " (")
	for _, layout := range textual {
		if t, err := time.Parse(layout, text); err == nil {
			return t, !t.IsZero()
		}
	}
	return time.Time{}, false
}

// normal brings a numeric time into the form 2006-01-02T15:04:05.999Z07:00.
func normal(text string) string {
	text = strings.ToUpper(text)
	text, _, _ = strings.Cut(text, " M=") // Go's monotonic clock
	if i := strings.IndexByte(text, '['); i > 0 {
		text = text[:i] // Java's zone name: 2026-03-01T10:00:00Z[UTC]
	}
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return text
	}
	date, rest := fields[0], fields[1:]
	if len(rest) > 0 && !strings.Contains(date, "T") && rest[0][0] >= '0' && rest[0][0] <= '9' {
		date, rest = date+"T"+rest[0], rest[1:]
	}
	if len(rest) > 0 && (rest[0][0] == '+' || rest[0][0] == '-') {
		date, rest = date+rest[0], nil // a name after an offset repeats it
	}
	if len(rest) == 1 && (rest[0] == "UTC" || rest[0] == "GMT" || rest[0] == "Z") {
		date, rest = date+"Z", nil
	}
	if len(rest) > 0 {
		return text
	}
	for _, name := range []string{"UTC", "GMT"} {
		if before, found := strings.CutSuffix(date, name); found {
			date = before + "Z"
		}
	}
	return strings.Replace(date, ",", ".", 1)
}

// unixTime reads a number of seconds or of a smaller unit, depending on its size.
// Eight digits that form a date are not a number.
func unixTime(text string) (time.Time, bool) {
	n, ok := number(text)
	if !ok || n <= 0 || n >= 9.2e18 {
		return time.Time{}, false
	}
	if _, err := time.Parse("20060102", text); err == nil {
		return time.Time{}, false
	}
	whole, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		whole = int64(n)
	}
	switch {
	case n >= 1e17:
		return time.Unix(0, whole).UTC(), true
	case n >= 1e14:
		return time.UnixMicro(whole).UTC(), true
	case n >= 1e11:
		return time.UnixMilli(whole).UTC(), true
	}
	return time.Unix(whole, int64((n-float64(int64(n)))*1e9)).UTC(), true
}

// number reads a finite decimal number.
func number(text string) (float64, bool) {
	text = strings.TrimSpace(text)
	if text == "" || strings.Trim(text, "+-.0123456789eE") != "" || strings.ContainsAny(text[:1], "eE") {
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil && !math.IsInf(f, 0) && !math.IsNaN(f)
}
