package diagnosis

import (
	"encoding/hex"
	"strings"

	"github.com/sonzaihook/sonzaihook/internal/signature"
)

// keying is a key that the sender may have used. What is empty for the one that
// a receiver with the given secret uses.
type keying struct {
	secret int // its index among the given ones
	key    []byte
	what   string
	fix    string
	// told means that secretProblems has named the difference already.
	told bool
}

// secretProblems returns what can be told of a secret from its form alone: what a
// receiver refuses.
func secretProblems(secret, name string) []Problem {
	p := unpack(secret)
	empty := strings.TrimSpace(strings.TrimPrefix(p.inner, prefix)) == ""
	switch {
	case empty && (len(p.has) == 0 || strings.TrimSpace(secret) == ""), secret == prefix:
		return []Problem{{Kind: Secret, What: name + " is empty", Fix: "is the variable or file that holds it set?"}}
	case empty:
		return []Problem{{Kind: Secret, What: name + " " + strings.Join(p.has, " and "), Fix: "is the variable or file that holds it set, and read by the program that replaces it?"}}
	}
	fix := "remove it where the secret is kept"
	if refused := signature.CheckSecret(secret); refused != nil {
		fix += "; a receiver refuses to start with it"
		if len(p.has) == 0 { // known to the receiver alone
			p.has = []string{"is refused by a receiver: " + strings.TrimPrefix(refused.Error(), signature.ErrInvalidSecret.Error()+": ")}
		}
	}
	if len(p.has) == 0 {
		return nil
	}
	return []Problem{{Kind: Secret, What: name + " " + strings.Join(p.has, " and "), Fix: fix}}
}

// keyings returns the keys that a sender is known to have used by mistake for
// the i-th secret. The first is the right one.
func keyings(i int, secret string) []keying {
	list := []keying{{secret: i, key: []byte(strings.TrimPrefix(secret, prefix))}}
	bare := strings.TrimSpace(secret)
	key := strings.TrimPrefix(unpack(secret).inner, prefix)
	add := func(key, what, fix string) {
		list = append(list, keying{secret: i, key: []byte(key), what: what, fix: fix})
	}
	if key != string(list[0].key) {
		list = append(list, keying{secret: i, key: []byte(key), told: true})
	}
	const senderFix = "mend the sender, or give the receiver the same characters"
	add(prefix+key, "the sender left "+prefix+" in the key", "the key is the secret without its leading "+prefix)
	if inner := strings.TrimPrefix(key, prefix); inner != key {
		add(inner, "the sender removed "+prefix+" twice", "only the first one is not part of the key")
	}
	if decoded := fromBase64(key); len(decoded) > 0 {
		add(string(decoded), "the sender decoded the secret from base64", "the key is the characters of the secret as they stand; libraries for other schemes decode it")
	}
	if decoded, err := hex.DecodeString(key); err == nil {
		add(string(decoded), "the sender decoded the secret from hex", "the key is the characters of the secret as they stand")
	}
	for _, end := range []string{"\n", "\r\n", " ", "\t"} {
		add(key+end, "the sender's secret ends with "+blanks(end), senderFix)
	}
	add(" "+key, "the sender's secret begins with a space", senderFix)
	for _, quote := range []string{`"`, `'`} {
		add(quote+bare+quote, "the sender's secret has quotes around it", senderFix)
		add(quote+key+quote, "the sender's secret has quotes around it", senderFix)
	}
	add("", "the sender signed with an empty secret", "is the variable that holds it set where the sender runs?")
	return list
}
