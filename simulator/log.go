package simulator

import (
	"encoding/base64"
	"slices"
	"strconv"
	"time"
)

// Attempt is one try to deliver an event.
type Attempt struct {
	ID        string
	ProjectID string
	// EventType is the name of the registration, or under which a channel takes
	// the event.
	EventType string
	// ChannelID is empty for the attempts of a registration.
	ChannelID string
	URL       string
	// Number counts the attempts of one event, from 1.
	Number int
	// Code is what the receiver answered, 0 when it did not.
	Code         int
	RequestBody  []byte // must not be changed
	ResponseBody string
	Error        string
	Duration     time.Duration
	CreatedAt    time.Time

	seq int
}

// Delivered reports whether the receiver answered 2xx.
func (a Attempt) Delivered() bool { return a.Code >= 200 && a.Code <= 299 }

// final reports whether the answer forbids another try: anything but a 5xx.
func (a Attempt) final() bool { return a.Code != 0 && a.Code < 500 }

func (a Attempt) status() string {
	if a.Delivered() {
		return "success"
	}
	return "failed"
}

// deliveryLog is the attempts for one recipient, the oldest first.
type deliveryLog struct {
	attempts []Attempt
	seq      int
}

// add keeps an attempt, and of all attempts the newest.
func (l *deliveryLog) add(a Attempt, history int) {
	l.seq++
	a.seq = l.seq
	l.attempts = bounded(append(l.attempts, a), history)
}

// page returns up to size attempts, the newest first, that are older than the
// attempt with the number before; 0 means from the newest.
func (l *deliveryLog) page(size, before int) (page []Attempt, more bool) {
	end := len(l.attempts)
	if before > 0 {
		end, _ = slices.BinarySearchFunc(l.attempts, before, func(a Attempt, seq int) int { return a.seq - seq })
	}
	start := max(0, end-size)
	page = slices.Clone(l.attempts[start:end])
	slices.Reverse(page)
	return page, start > 0
}

// A cursor is the number of the last attempt of a page, in base64.
func writeCursor(seq int) string {
	return base64.URLEncoding.EncodeToString([]byte(strconv.Itoa(seq)))
}

func readCursor(cursor string) (int, bool) {
	text, err := base64.URLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, false
	}
	seq, err := strconv.Atoi(string(text))
	return seq, err == nil && seq > 0
}
