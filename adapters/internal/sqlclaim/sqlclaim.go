// Package sqlclaim holds what the stores on SQL databases share: the tables, the
// statements, what the errors of the drivers mean, and the note of what this
// process has committed.
//
// A key has a row in sonzaihook_leases while it is held, and one in
// sonzaihook_done once it is done. They are separate rows so that a transaction
// that writes "done" does not stand in the way of a renewal, and a renewal not in
// the way of a stricter isolation level. The primary key of sonzaihook_done is the
// fence: of two transactions that both want to write "done" for a key one fails.
//
// The lease stays when a key is done, until it ends: a copy that began to claim
// before "done" was committed meets it, and looks again.
package sqlclaim

import (
	"crypto/sha256"
	"strings"
	"time"
)

// Params are the values that a statement may name.
type Params struct {
	Namespace, Key, Token []byte
	Span                  time.Duration
	Limit                 int
}

// Statement is one statement in the words of a database, and which value of
// [Params] stands at which placeholder.
type Statement struct {
	Text  string
	order []byte
}

// names are what a statement's text calls its values.
var names = []struct {
	name string
	is   byte
}{{"@namespace", 'n'}, {"@key", 'k'}, {"@token", 't'}, {"@span", 's'}, {"@limit", 'l'}}

// compile replaces the names in a text by placeholders: numbered ones where the
// database has them, so that a value that is named twice is sent once.
func compile(placeholder func(int) string, repeat bool, now, text string) Statement {
	text = strings.ReplaceAll(strings.TrimSpace(text), "{now}", now)
	var out strings.Builder
	var order []byte
	for text != "" {
		at := strings.IndexByte(text, '@')
		if at < 0 {
			break
		}
		out.WriteString(text[:at])
		text = text[at:]
		for _, n := range names {
			if !strings.HasPrefix(text, n.name) {
				continue
			}
			number := strings.IndexByte(string(order), n.is) + 1
			if number == 0 || repeat {
				order = append(order, n.is)
				number = len(order)
			}
			out.WriteString(placeholder(number))
			text = text[len(n.name):]
			break
		}
	}
	out.WriteString(text)
	return Statement{Text: out.String(), order: order}
}

// Args returns the values in the order of the placeholders.
func (s Statement) Args(p Params) []any {
	args := make([]any, len(s.order))
	for i, is := range s.order {
		switch is {
		case 'n':
			args[i] = p.Namespace
		case 'k':
			args[i] = p.Key
		case 't':
			args[i] = p.Token
		case 's':
			args[i] = Microseconds(p.Span)
		case 'l':
			args[i] = p.Limit
		}
	}
	return args
}

// Statements are what a store needs. Each is atomic.
type Statements struct {
	// Claim takes a lease and returns 1 if another holder had it before, else 0.
	// It returns no row if the key is held or done. For MySQL, which has no
	// RETURNING and no condition on its upsert, it returns nothing at all, and
	// State tells what it did.
	Claim Statement
	// State returns one row: 1 if the key is done, 0 if it was done once and its
	// time is over, else NULL; the token that made it done; and the token of the
	// lease, whether it ended or not. Both may be NULL.
	State Statement
	// ForgetLease and then Forget delete what a key left whose time as done is over.
	ForgetLease, Forget Statement
	// Commit writes "done" unless another holds the key, or it is done.
	Commit Statement
	// Mark writes "done" in a transaction of the caller's. It fails with a unique
	// violation if the key is done, and writes nothing if another has a lease that
	// holds and the transaction can see so without standing in its way.
	Mark Statement
	// Release deletes a lease, unless the key is done.
	Release Statement
	// SweepLeases and SweepDone delete some of the rows whose time is long over.
	SweepLeases, SweepDone Statement
	// SweepDead deletes some of a queue's dead deliveries whose retention is over.
	SweepDead Statement
}

// maxKey is how long a key may be in the tables. The receiver's are shorter.
const maxKey = 255

// Bytes returns a key, token or namespace as the tables hold it: its bytes,
// never nil, and a digest of what is too long for an index.
func Bytes(text string) []byte {
	if len(text) > maxKey {
		digest := sha256.Sum256([]byte(text))
		return append([]byte("sha256:"), digest[:]...)
	}
	return append([]byte{}, text...)
}

// Microseconds rounds up: no span is nothing.
func Microseconds(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64((d-1)/time.Microsecond) + 1
}

// grace is how long a row stays after its time is over, in microseconds, so that
// a holder that is late still finds its lease.
const grace = "60000000"

// Now is an expression for the time of a database's clock, in microseconds since
// 1970: "postgres", "sqlite" or "mysql".
func Now(database string) string {
	return map[string]string{"postgres": postgresNow, "sqlite": sqliteNow, "mysql": mysqlNow}[database]
}
