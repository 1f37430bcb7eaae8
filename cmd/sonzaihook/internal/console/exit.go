package console

import (
	"errors"
	"regexp"
	"strings"
)

// The exit codes. A command that is asked a question answers it with yes or no;
// anything that kept it from an answer is trouble.
const (
	ExitYes     = 0 // valid, accepted, as expected
	ExitNo      = 1 // invalid, not accepted, not as expected
	ExitTrouble = 2 // wrong usage, or an input that cannot be read

	ExitInterrupted = 130 // what a shell reports for SIGINT
	ExitClosed      = 141 // what a shell reports for SIGPIPE
)

// answerNo is the error of a command whose answer is no.
type answerNo struct {
	why     string
	printed bool
}

func (e answerNo) Error() string { return e.why }

// No returns the error of a command whose answer is no. What it says beyond the
// command's output, if anything, goes to the standard error.
func No(why string) error { return answerNo{why: why} }

// NoAsPrinted is [No] where the objects that --json prints say it already, each for
// its part.
func NoAsPrinted(why string) error { return answerNo{why, true} }

// Printed reports whether the error is, or wraps, one that NoAsPrinted returned.
func Printed(err error) bool {
	no, ok := errors.AsType[answerNo](err)
	return ok && no.printed
}

// IsNo reports whether the error is, or wraps, one that No returned.
func IsNo(err error) bool {
	_, ok := errors.AsType[answerNo](err)
	return ok
}

// secretLike matches a signing secret in a place where an error message would
// repeat it.
var secretLike = regexp.MustCompile(`whsec_[^\s"']+`)

// ErrorLine returns an error as one line that begins with the program's name,
// holds no secret and cannot drive a terminal. It is empty if the error says
// nothing.
func ErrorLine(err error) string {
	text := ErrorText(err)
	if text == "" {
		return ""
	}
	return "sonzaihook: " + text
}

// ErrorText is what [ErrorLine] says after the program's name.
func ErrorText(err error) string {
	text := strings.Join(strings.Fields(Clean(err.Error())), " ")
	text = secretLike.ReplaceAllString(text, "whsec_…")
	for _, name := range []string{"sonzaihook: ", "sonzaiapi: ", "upstream: ", "simulator: "} {
		text = strings.TrimPrefix(text, name)
	}
	return text
}
