package redisscript

import "strings"

// DefaultPrefix is what the keys of a store begin with.
const DefaultPrefix = "sonzaihook:"

// keyspace makes the keys of one prefix. Two keyspaces never share a key, also
// where one prefix begins with the other: the last colon of a key ends its prefix,
// so an identity is written without colons. Under the default prefix, and only
// there, identities are written as they are; a longer prefix that begins with the
// default one is therefore written differently.
type keyspace struct {
	head     string
	verbatim bool
}

// A percent sign stands for itself only where two digits of its code follow. So
// escapedColon and noColon never arise from a prefix.
const (
	escapedColon = "%3A"
	noColon      = "%:" // after a prefix that does not end in a colon
)

var (
	prefixEscapes   = strings.NewReplacer("%", "%25")
	identityEscapes = strings.NewReplacer("%", "%25", ":", escapedColon)
)

func newKeyspace(prefix string) keyspace {
	if prefix == DefaultPrefix {
		return keyspace{head: prefix, verbatim: true}
	}
	head := prefixEscapes.Replace(prefix)
	if rest, longer := strings.CutPrefix(head, DefaultPrefix); longer {
		head = strings.TrimSuffix(DefaultPrefix, ":") + escapedColon + rest
	}
	if prefix != "" && !strings.HasSuffix(head, ":") {
		head += noColon
	}
	return keyspace{head: head}
}

func (k keyspace) key(identity string) string {
	if k.verbatim || !strings.ContainsAny(identity, "%:") {
		return k.head + identity
	}
	return k.head + identityEscapes.Replace(identity)
}
