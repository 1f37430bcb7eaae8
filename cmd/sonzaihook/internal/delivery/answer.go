package delivery

import (
	"cmp"
	"encoding/json"
	"net/http"
	"regexp"
)

// CodeUnanswered stands where a server gave no answer at all.
const CodeUnanswered = "unanswered"

// wellFormedCode matches what a receiver sends. Anything else is no code.
var wellFormedCode = regexp.MustCompile(`^[a-z_]{1,40}$`)

// CodeOf returns the code in the answer of a receiver, empty if the answer has
// none, as that of another server.
func CodeOf(answer []byte) string {
	var document struct {
		Code string `json:"code"`
	}
	if json.Unmarshal(answer, &document) != nil || !wellFormedCode.MatchString(document.Code) {
		return ""
	}
	return document.Code
}

// ofReceiver reports whether an answer is a receiver's: it has a code, and from 400 on
// it is a problem document about its own status. Another API may have a code, too.
func ofReceiver(status int, answer []byte) bool {
	if CodeOf(answer) == "" {
		return false
	}
	var problem struct {
		Type   string `json:"type"`
		Status int    `json:"status"`
	}
	return status < http.StatusBadRequest ||
		json.Unmarshal(answer, &problem) == nil && problem.Type == "about:blank" && problem.Status == status
}

// AnswerOf returns the code in an answer, or else what its status means. Status
// zero means that there was none.
func AnswerOf(status int, answer []byte) string {
	if status == 0 {
		return CodeUnanswered
	}
	return cmp.Or(CodeOf(answer), http.StatusText(status))
}
