package demo

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
)

// row is one event of the demo and its outcome, as --json prints it. Rows that are
// not about a delivery have no status.
type row struct {
	What       string      `json:"step"`
	Type       string      `json:"type"`
	Agent      string      `json:"agent,omitempty"`
	Outcome    string      `json:"outcome"`
	Status     int         `json:"status,omitempty"`
	DurationMS float64     `json:"duration_ms"`
	Callbacks  int         `json:"callbacks"`
	Detail     string      `json:"detail"`
	Expected   expectation `json:"expected"`
	OK         bool        `json:"ok"`
}

func newRow(what string, body []byte, answer delivery.Reply, n note) row {
	return row{
		What:       what,
		Type:       delivery.Field(body, delivery.TypeKeys...),
		Agent:      delivery.Field(body, "agent_id"),
		Outcome:    answer.Code,
		Status:     answer.Status,
		DurationMS: console.InMS(answer.Duration),
		Callbacks:  n.runs,
		Detail:     n.detail(),
	}
}

// expecting compares a row with its expectation.
func (r row) expecting(expected expectation) row {
	r.Expected = expected
	r.OK = expected == expectation{r.Status, r.Outcome, r.Callbacks}
	return r
}

// expectation is the outcome that a row must have.
type expectation struct {
	Status    int    `json:"status"`
	Outcome   string `json:"outcome"`
	Callbacks int    `json:"callbacks"`
}

func (e expectation) String() string {
	if e == (expectation{}) {
		return "no further attempt"
	}
	return strings.TrimPrefix(fmt.Sprintf("%d %s with %s", e.Status, e.Outcome, console.Counted(e.Callbacks, "callback run")), "0 ")
}

// The outcomes of rows that are not about a delivery.
const (
	outcomeRegistered = "registered"
	outcomeDeleted    = "deleted"
)

var (
	expectProcessed    = expectation{http.StatusOK, sonzaihook.CodeProcessed, 1}
	expectDuplicate    = expectation{http.StatusOK, sonzaihook.CodeDuplicate, 0}
	expectUnauthorized = expectation{http.StatusUnauthorized, sonzaihook.CodeUnauthorized, 0}
	expectFailed       = expectation{http.StatusInternalServerError, sonzaihook.CodeFailed, 1}
	expectUnanswered   = expectation{0, delivery.CodeUnanswered, 0}
	expectRegistered   = expectation{0, outcomeRegistered, 0}
	expectDeleted      = expectation{0, outcomeDeleted, 0}
)

// whatPushed is an ordinary delivery; the others stand out in the table.
const whatPushed = "pushed"
