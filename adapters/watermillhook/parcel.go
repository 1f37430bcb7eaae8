package watermillhook

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/sonzaihook/sonzaihook"
)

// format is the version of what travels. A worker leaves a newer one to workers
// that know it, so it rises only when an older worker would get something wrong.
const format = 1

// The names of the metadata. Values that may hold any byte are base64url without
// padding, because brokers disagree on what a header may hold; times are Unix time.
const (
	keyFormat   = "sonzaihook-format"
	keyID       = "sonzaihook-id"          // base64url
	keyType     = "sonzaihook-type"        // base64url
	keyName     = "sonzaihook-name"        // base64url
	keyProject  = "sonzaihook-project"     // base64url
	keySource   = "sonzaihook-source"      // base64url
	keySignedAt = "sonzaihook-signed-at"   // seconds
	keyReceived = "sonzaihook-received-at" // milliseconds
	keyTrace    = "sonzaihook-trace"       // query encoding
	keyAttempt  = "sonzaihook-attempt"     // failed attempts before this one
	keyDue      = "sonzaihook-due"         // milliseconds
	keyHop      = "sonzaihook-hop"         // how often it was published again
)

var (
	// ErrNewerFormat means that a message has a format that this version of the
	// package does not know.
	ErrNewerFormat = errors.New("watermillhook: newer format")
	// ErrMalformed means that the metadata of a message cannot be read.
	ErrMalformed = errors.New("watermillhook: malformed metadata")
)

var encoding = base64.RawURLEncoding

// parcel is a message that was unpacked.
type parcel struct {
	delivery *sonzaihook.Delivery
	source   string // where the delivery came from before it was queued
	received time.Time
	attempt  int
	due      time.Time
	hop      int
	uuid     string
}

// key is by what attempts at the parcel are counted.
func (p *parcel) key() string {
	if p.delivery.ID != "" {
		return p.delivery.ID
	}
	return "message " + p.uuid
}

// pack returns the message of a delivery.
func pack(d *sonzaihook.Delivery, received time.Time) *message.Message {
	p := &parcel{delivery: d, source: string(d.Source), received: received}
	id := d.ID
	if id == "" { // not from a hand-off
		id, _ = sonzaihook.IdentityOf(d)
	}
	return p.message(digest(cmp.Or(id, string(d.Body))))
}

// again returns the message by which a parcel is sent once more. A broker may drop
// a message whose id it has seen, so it gets another.
func (p *parcel) again(due time.Time) *message.Message {
	next := *p
	next.due, next.hop = due, p.hop+1
	return next.message(digest(p.key() + "\x00" + strconv.Itoa(next.hop) + "\x00" + p.uuid))
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func (p *parcel) message(uuid string) *message.Message {
	msg := message.NewMessage(uuid, p.delivery.Body)
	msg.Metadata[keyFormat] = strconv.Itoa(format)
	for key, value := range map[string]string{
		keyID: p.delivery.ID, keyType: string(p.delivery.Type), keyName: p.delivery.Name,
		keyProject: p.delivery.Project, keySource: p.source,
	} {
		if value != "" {
			msg.Metadata[key] = encoding.EncodeToString([]byte(value))
		}
	}
	for key, value := range map[string]int64{
		keySignedAt: unix(p.delivery.SignedAt, time.Second), keyReceived: unix(p.received, time.Millisecond),
		keyDue: unix(p.due, time.Millisecond), keyAttempt: int64(p.attempt), keyHop: int64(p.hop),
	} {
		if value != 0 {
			msg.Metadata[key] = strconv.FormatInt(value, 10)
		}
	}
	if len(p.delivery.Trace) > 0 {
		trace := make(url.Values, len(p.delivery.Trace))
		for key, value := range p.delivery.Trace {
			trace.Set(key, value)
		}
		msg.Metadata[keyTrace] = trace.Encode()
	}
	return msg
}

func unix(t time.Time, unit time.Duration) int64 {
	if t.IsZero() {
		return 0
	}
	if unit == time.Second {
		return t.Unix()
	}
	return t.UnixMilli()
}

// Delivery returns the delivery in a message of [Publish], for a worker that calls
// [sonzaihook.Receiver.Dispatch] itself. Its Source is sonzaihook.SourceBroker. A
// message without this package's metadata is a delivery of which only the body is
// known. Delivery returns an error that wraps [ErrNewerFormat] or [ErrMalformed].
func Delivery(msg *message.Message) (*sonzaihook.Delivery, error) {
	p, err := unpack(msg)
	if err != nil {
		return nil, err
	}
	return p.delivery, nil
}

// unpack reads a message. With ErrMalformed it returns what could be read.
func unpack(msg *message.Message) (*parcel, error) {
	r := reader{metadata: msg.Metadata}
	p := &parcel{uuid: msg.UUID, delivery: &sonzaihook.Delivery{Source: sonzaihook.SourceBroker, Body: msg.Payload}}
	if version := r.number(keyFormat); version > format {
		return p, fmt.Errorf("%w: %d, this is %d", ErrNewerFormat, version, format)
	}
	d := p.delivery
	d.ID, d.Type, d.Name = r.text(keyID), sonzaihook.EventType(r.text(keyType)), r.text(keyName)
	d.Project, p.source = r.text(keyProject), r.text(keySource)
	if at := r.number(keySignedAt); at != 0 {
		d.SignedAt = time.Unix(at, 0)
	}
	p.received, p.due = r.moment(keyReceived), r.moment(keyDue)
	p.attempt, p.hop = int(max(r.number(keyAttempt), 0)), int(max(r.number(keyHop), 0))
	trace, err := url.ParseQuery(msg.Metadata[keyTrace])
	if err != nil {
		r.fail(keyTrace)
	}
	for key := range trace {
		if d.Trace == nil {
			d.Trace = make(map[string]string, len(trace))
		}
		d.Trace[key] = trace.Get(key)
	}
	return p, r.err
}

// reader reads metadata and remembers the first value that cannot be read.
type reader struct {
	metadata message.Metadata
	err      error
}

func (r *reader) fail(key string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrMalformed, key)
	}
}

func (r *reader) text(key string) string {
	value, err := encoding.DecodeString(r.metadata[key])
	if err != nil {
		r.fail(key)
	}
	return string(value)
}

func (r *reader) number(key string) int64 {
	if r.metadata[key] == "" {
		return 0
	}
	n, err := strconv.ParseInt(r.metadata[key], 10, 64)
	if err != nil {
		r.fail(key)
	}
	return n
}

func (r *reader) moment(key string) time.Time {
	if ms := r.number(key); ms != 0 {
		return time.UnixMilli(ms)
	}
	return time.Time{}
}
