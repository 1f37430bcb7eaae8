package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
)

// Key joins the parts of an identity so that no part can look like another: a
// slash stands only between two of them.
func Key(project, typ, agent, kind, id string) string {
	return escaped(project) + "/" + escaped(typ) + "/" + escaped(agent) + "/" + kind + escaped(id)
}

// escaped returns a part of an identity without slashes.
func escaped(part string) string {
	for i := range len(part) {
		if !plainByte[part[i]] {
			return url.PathEscape(part)
		}
	}
	return part
}

// plainByte has the bytes that url.PathEscape leaves as they are in every place.
var plainByte = func() (plain [256]bool) {
	for _, b := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~") {
		plain[b] = true
	}
	return plain
}()

// maxKey bounds a key in a store; a longer one is replaced by its digest.
const maxKey = 200

// Shorten returns an identity that fits a store.
func Shorten(id string) string {
	if len(id) <= maxKey {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "sha256:" + hex.EncodeToString(sum[:])
}
