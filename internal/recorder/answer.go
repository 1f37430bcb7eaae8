package recorder

import "net/http"

// Answer is a ResponseWriter that keeps the status and drops the body. Like that of
// net/http it can be flushed. The zero Answer is ready, and may be used for several
// requests, one after the other: its header is made once and not cleared.
type Answer struct {
	Status int // of the last WriteHeader; 0 if there was none

	header http.Header
}

var (
	_ http.ResponseWriter = (*Answer)(nil)
	_ http.Flusher        = (*Answer)(nil)
)

// Header returns the header, the same each time.
func (a *Answer) Header() http.Header {
	if a.header == nil {
		a.header = http.Header{}
	}
	return a.header
}

// WriteHeader keeps the status.
func (a *Answer) WriteHeader(status int) { a.Status = status }

// Write drops p.
func (a *Answer) Write(p []byte) (int, error) { return len(p), nil }

// Flush does nothing.
func (a *Answer) Flush() {}
