package sqlclaim

import (
	"errors"
	"reflect"
	"strings"
)

// Kind is what an error of a database means for a store.
type Kind int

// The kinds of errors that a store tells apart.
const (
	Other     Kind = iota
	Duplicate      // a unique key exists already
	Again          // a deadlock or a failed serialization: the same once more may succeed
	Busy           // another writes to the file
	NoTable        // a table or a column is missing
	ReadOnly       // the server or the file takes no writes
)

// KindOf looks at the codes that the drivers' errors carry: SQLSTATE of
// PostgreSQL's drivers, the numbers of MySQL's, the result codes of SQLite's. No
// driver is imported for it.
func KindOf(err error) Kind {
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		return bySQLState(state.SQLState())
	}
	var code interface{ Code() int }
	if errors.As(err, &code) {
		return bySQLiteCode(code.Code(), err)
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if number, ok := field(e, "Number", reflect.Uint16); ok {
			return byMySQLNumber(number)
		}
		if extended, ok := field(e, "ExtendedCode", reflect.Int); ok {
			return bySQLiteCode(int(extended), err)
		}
	}
	return Other
}

// field returns a number that an error struct holds, as the errors of
// go-sql-driver/mysql and mattn/go-sqlite3 do, which have no method for it.
func field(err error, name string, kind reflect.Kind) (int64, bool) {
	v := reflect.ValueOf(err)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return 0, false
	}
	f := v.FieldByName(name)
	if !f.IsValid() || f.Kind() != kind {
		return 0, false
	}
	if f.CanUint() {
		return int64(f.Uint()), true
	}
	return f.Int(), true
}

func bySQLState(state string) Kind {
	switch state {
	case "23505":
		return Duplicate
	case "40001", "40P01":
		return Again
	case "42P01", "42703", "3F000":
		return NoTable
	case "25006":
		return ReadOnly
	}
	return Other
}

func byMySQLNumber(number int64) Kind {
	switch number {
	case 1062:
		return Duplicate
	case 1213, 1020: // deadlock; record has changed since last read (MariaDB 11)
		return Again
	case 1146, 1054, 1049:
		return NoTable
	case 1290, 1792, 1836:
		return ReadOnly
	}
	return Other
}

// The result codes of SQLite, of which the lowest byte is the primary one.
const (
	sqliteError      = 1
	sqliteBusy       = 5
	sqliteLocked     = 6
	sqliteReadOnly   = 8
	sqliteConstraint = 19
	sqlitePrimaryKey = 1555
	sqliteUnique     = 2067
)

func bySQLiteCode(code int, err error) Kind {
	switch {
	case code == sqlitePrimaryKey, code == sqliteUnique:
		return Duplicate
	case code&0xff == sqliteConstraint && strings.Contains(err.Error(), "UNIQUE"):
		return Duplicate
	case code&0xff == sqliteBusy, code&0xff == sqliteLocked:
		return Busy
	case code&0xff == sqliteReadOnly:
		return ReadOnly
	case code&0xff == sqliteError && missing(err.Error()):
		return NoTable
	}
	return Other
}

// missing reports what SQLite tells by text alone.
func missing(text string) bool {
	return strings.Contains(text, "no such table") || strings.Contains(text, "no such column") ||
		strings.Contains(text, "has no column named")
}
