package sonzaihook

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sonzaihook/sonzaihook/internal/wire"
)

// What makes two deliveries copies of one event. An identity never makes one event
// of two: it holds the project, the type and the agent, and then the first that
// exists of the event's id, a name of the thing with a digest of what is said of it,
// and a digest of what was signed. The body alone is never one: two events without
// an id may have the same bytes.

// IdentityOf returns the identity that a receiver gives to a delivery by default,
// and whether an id in the event made it; if not, the identity is made of what was
// signed. Two deliveries of one event that have a named identity have the same. It
// is empty for a body that cannot be decoded.
func IdentityOf(d *Delivery) (id string, named bool) {
	if d.ID != "" {
		return wire.Shorten(d.ID), true
	}
	m := &wire.Message{Body: wire.JSON(d.Body)}
	if !wire.IsObject(m.Body) {
		return "", false
	}
	if _, err := rawDecoder.decode(m); err != nil {
		return "", false
	}
	own := *d
	own.Type = canonical(cmp.Or(string(d.Type), m.Env.Names().Choose(isDocumentedName)))
	if own.Type == "" && isWakeup(m.Content) {
		own.Type = EventWakeup
	}
	id, named = identity(&own, m)
	return wire.Shorten(id), named
}

// identity returns the identity of a delivery by default.
func identity(d *Delivery, m *wire.Message) (id string, named bool) {
	env, typ := &m.Env, string(d.Type)
	if !env.Loose && !wire.IsPlaceholder(env.EventID) { // most events
		return wire.Key(cmp.Or(d.Project, env.ProjectID), typ, env.AgentID, "event:", env.EventID), true
	}
	is := wire.Exact{
		EventID: env.EventID, ID: env.ID, InnerID: env.Inner.ID,
		AgentID: env.AgentID, ProjectID: env.ProjectID,
	}
	if env.Loose {
		is = wire.ExactOf(m.Body)
		if strings.ContainsRune(typ, utf8.RuneError) {
			typ = cmp.Or(is.Names.Choose(isDocumentedName), typ)
		}
	}
	project := cmp.Or(d.Project, is.ProjectID)
	if !wire.IsPlaceholder(is.EventID) {
		return wire.Key(project, typ, is.AgentID, "event:", is.EventID), true
	}
	for _, name := range []string{is.ID, is.InnerID, naturalKey(d.Type, m)} {
		if !wire.IsPlaceholder(name) {
			said := wire.PayloadDigest(m.Body)
			return wire.Key(project, typ, is.AgentID, "id:", name) + ":" + hex.EncodeToString(said[:]), true
		}
	}
	return wire.Key(project, typ, is.AgentID, "signed:", signedDigest(d)), false
}

// signedDigest returns a digest of what was signed: the time and the body.
func signedDigest(d *Delivery) string {
	signed := sha256.New()
	if d.Source == SourceReplay {
		// Another event with the same bytes may have come by webhook in that second.
		signed.Write([]byte(SourceReplay))
	}
	if !d.SignedAt.IsZero() {
		signed.Write(strconv.AppendInt(nil, d.SignedAt.Unix(), 10))
	}
	signed.Write([]byte{'.'})
	signed.Write(d.Body)
	return hex.EncodeToString(signed.Sum(nil))
}

// NaturalIdentity is an identity for [WithIdentity] that prefers the type and the
// natural key ("agent.message:msg_1") to the envelope's event id, with the project
// before it where one has verified the delivery. Use it where the same events come
// by push and by poll: a polled notification has the id of the message, the wakeup
// or the breakthrough, but not the event id under which it was pushed. The key of a
// wakeup holds its scheduled time too, because a recurring one keeps its id. Of
// other types it keeps the identity.
func NaturalIdentity(d *Delivery) string {
	if d.natural == "" {
		return ""
	}
	id := string(d.Type) + ":" + url.PathEscape(d.natural)
	if d.Project != "" {
		id = url.PathEscape(d.Project) + "/" + id
	}
	return id
}

// naturalKey returns the natural key of a payload also where a callback takes a T
// of the user's, so that the identity does not depend on what is registered.
func naturalKey(t EventType, m *wire.Message) string {
	row := byName[string(t)]
	if row == nil {
		return ""
	}
	if m.Key == "" && m.Content != nil {
		other := &wire.Message{Body: m.Body}
		if _, err := row.decoder.decode(other); err == nil {
			m.Key = other.Key
		}
	}
	if wire.IsPlaceholder(m.Key) {
		return ""
	}
	return m.Key
}
