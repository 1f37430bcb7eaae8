// Package answer has what a sender can be told: rows of a table, each a status with a
// constant body, and the errors by which a function chooses one.
//
//	answer.go  Row, Table, Write
//	verdict.go Verdict: an error that chooses a row
//
// It knows no code by name.
package answer

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Row is one row of the table. It does not change.
type Row struct {
	Status int
	Code   string
	After  time.Duration // the usual Retry-After; 0 asks for none
	Body   []byte
}

// Table is every answer there is. Rows are added before it is used.
type Table []*Row

// Add adds a row. From 400 on its body is a problem document (RFC 9457) with the
// code as a member.
func (t *Table) Add(status int, code string, after time.Duration) *Row {
	body := fmt.Sprintf("{\"code\":%q}\n", code)
	if status >= http.StatusBadRequest {
		title, _ := json.Marshal(http.StatusText(status))
		body = fmt.Sprintf("{\"type\":\"about:blank\",\"title\":%s,\"status\":%d,\"code\":%q}\n", title, status, code)
	}
	row := &Row{Status: status, Code: code, After: after, Body: []byte(body)}
	*t = append(*t, row)
	return row
}

// Body returns the body of the row with a code, or nil.
func (t Table) Body(code string) []byte {
	for _, row := range t {
		if row.Code == code {
			return row.Body
		}
	}
	return nil
}

// Final reports whether the sender will not send again although nothing handled the
// delivery.
func (r *Row) Final() bool { return r.Status >= 400 && r.Status < 500 }

// Settled reports whether the delivery counts as handled.
func (r *Row) Settled() bool { return r.Status < 300 }

// Headers of the answers, shared by all of them. Their elements do not change.
var (
	plainType   = []string{"application/json"}
	problemType = []string{"application/problem+json"}
	onlyPost    = []string{http.MethodPost}
)

// Write writes an answer. A body that is not nil is not changed.
func Write(w http.ResponseWriter, status int, after time.Duration, body []byte) {
	header := w.Header()
	header["Content-Type"] = plainType
	if status >= http.StatusBadRequest {
		header["Content-Type"] = problemType
	}
	if status == http.StatusMethodNotAllowed {
		header["Allow"] = onlyPost
	}
	if after > 0 {
		header.Set("Retry-After", strconv.FormatInt(wholeSeconds(after), 10))
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone cannot be told so; the platform sends again
}

// wholeSeconds rounds up.
func wholeSeconds(d time.Duration) int64 {
	return int64(min(d, math.MaxInt64-time.Second)+time.Second-1) / int64(time.Second)
}
