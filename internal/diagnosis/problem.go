package diagnosis

// Kind says what a problem is about.
type Kind string

// The kinds of problems, in the order in which a report has them.
const (
	Header Kind = "header" // the signature header is missing or malformed
	Clock  Kind = "clock"  // it was signed too long ago, or in the future
	Secret Kind = "secret" // the secret is another, or has another form
	Body   Kind = "body"   // the body was changed after it was signed
	Scheme Kind = "scheme" // the sender signs something else than t and the body
	Match  Kind = "match"  // nothing that was tried gives this signature
)

// Problem is one thing that is wrong.
type Problem struct {
	Kind Kind `json:"kind"`
	// What says what is wrong, with numbers.
	What string `json:"what"`
	// Fix says what to do about it; it may be empty.
	Fix string `json:"fix,omitempty"`
	// Column is where in the header it is wrong, counted in bytes from 1; 0 if
	// the problem has no place there.
	Column int `json:"column,omitempty"`
}
