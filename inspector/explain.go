package inspector

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/internal/diagnosis"
)

// meaning is what a code says, and what the platform does on hearing it.
type meaning struct{ What, Next string }

const (
	stops = "The platform takes this as done and does not send it again."
	final = "The platform does not send it again: a 4xx is final."
	again = "The platform sends it again, up to four times in all."
)

var meanings = map[string]meaning{
	sonzaihook.CodeProcessed:            {"The callbacks ran and returned no error.", stops},
	sonzaihook.CodeDuplicate:            {"A copy with the same identity was handled before, so no callback ran.", stops},
	sonzaihook.CodeIgnored:              {"No callback takes this type, or one chose to ignore it.", stops},
	sonzaihook.CodeQueued:               {"A queue has it. The callbacks run later, in a worker.", stops},
	sonzaihook.CodeUndecodable:          {"The signature is right, but the body is not one JSON object with a type.", final},
	sonzaihook.CodeUnauthorized:         {"The receiver does not believe that this is from the platform.", final},
	sonzaihook.CodeMethodNotAllowed:     {"Deliveries are POST requests; this was another.", final},
	sonzaihook.CodeBodyTooLarge:         {"The body is longer than the receiver takes.", final},
	sonzaihook.CodeUnsupportedMediaType: {"The body is not JSON, or it is compressed.", final},
	sonzaihook.CodeInvalid:              {"The validator refused the event.", final},
	sonzaihook.CodeRejected:             {"A callback refused it for good.", final},
	sonzaihook.CodeFailed:               {"A callback returned an error or ran out of time.", again},
	sonzaihook.CodePanicked:             {"The program's own code panicked while it handled this.", again},
	sonzaihook.CodeBodyConsumed:         {"Something read the body before the receiver could.", again},
	sonzaihook.CodeInFlight:             {"A copy was running at that moment.", again},
	sonzaihook.CodeStoreUnavailable:     {"The store did not say whether this was handled before, so nothing ran.", again},
	sonzaihook.CodeQueueUnavailable:     {"The queue did not take it, so nothing ran.", again},
	sonzaihook.CodeShuttingDown:         {"The receiver was shutting down.", again},
	sonzaihook.CodeOverloaded:           {"As many deliveries were running as the receiver allows.", again},
	sonzaihook.CodeBodyUnreadable:       {"The connection broke while the body was read.", again},
	sonzaihook.CodeRetryLater:           {"A callback asked for another try, or a new secret was on its way.", again},
}

// unfit are the meanings where a struct of the user's own does not fit.
var unfit = map[string]meaning{
	sonzaihook.CodeRejected: {"The payload does not fit the struct that a callback takes, so none ran. The dead letter has it.", final},
	sonzaihook.CodeFailed:   {"The payload does not fit the struct that a callback takes, so none ran, and there is no dead letter to keep it.", again},
}

func (r *record) meaning() meaning {
	switch {
	case r.out != nil && r.status > 0:
		if _, _, misfit := r.out.refusal(); misfit {
			return unfit[r.out.code]
		}
		if m, known := meanings[r.out.code]; known {
			return m
		}
		return meaning{"What answered is not a receiver of this library, or one that knows more codes.", ""}
	case r.origin == sent:
		return meaning{"Nothing answered.", again}
	case r.status == 0:
		return meaning{"No answer was written: the handler panicked or the client went away.", again}
	}
	return meaning{"The answer was not the receiver's: something in front of it answered.", ""}
}

// finding is one thing that is wrong, and what to do about it.
type finding struct {
	Kind, What, Fix string
}

// verdict is what there is to say about a signature.
type verdict struct {
	Good     bool
	Title    string
	Findings []finding
	Secrets  []string // what the numbers of secrets stand for
	Tried    int
}

const otherType = "each registration has its own secret: give the receiver this type's secret under this type"

// mends are for refusals that are not about how the signature was made.
var mends = []struct {
	err  error
	find finding
}{
	{sonzaihook.ErrWrongAuthorization, finding{"header", "the Authorization header is not the one that the receiver demands",
		"register the webhook with the auth_header that the receiver was given, or change WithAuthorization"}},
	{sonzaihook.ErrSecretOfOtherType, finding{"secret", "the secret that signed it belongs to another event type",
		otherType}},
	{sonzaihook.ErrUnknownProject, finding{"secret", "the project that it names is not known to the source of secrets", "look at the project in the URL, and at what WithSecretSource returns for it"}},
	{sonzaihook.ErrSecretSource, finding{"secret", "the source of secrets failed, and no known secret fits", "look at what WithSecretSource reads from; the next attempt asks again"}},
	{sonzaihook.ErrSecretAwaited, finding{"secret", "no secret fits, and a new one was on its way", "nothing, if the next attempt is accepted"}},
	{sonzaihook.ErrMethodNotAllowed, finding{"request", "it is not a POST request", "a redirect on the way turns a POST into a GET: register the address it leads to"}},
	{sonzaihook.ErrBodyTooLarge, finding{"body", "the body is longer than the receiver takes", "raise WithMaxBody if such events are real"}},
	{sonzaihook.ErrUnsupportedMediaType, finding{"header", "the content type is not JSON, or the body has a content encoding", "find what rewrites the headers on the way"}},
	{sonzaihook.ErrBodyConsumed, finding{"body", "something read the body before the receiver did", "mount the receiver outside of middleware that logs or decodes bodies"}},
	{sonzaihook.ErrBodyUnreadable, finding{"body", "the connection broke before the body was complete", "look at the proxy in front, and at its time limits"}},
}

// explain says what is wrong with the signature of a delivery.
func (i *Inspector) explain(r *record) verdict {
	if r.out != nil && r.out.authentic && !r.out.sent {
		return i.accepted(r)
	}
	if r.out != nil && r.out.authentic {
		return verdict{Good: true, Title: "Nothing was said against it"}
	}
	var v verdict
	if r.out != nil {
		for _, mend := range mends {
			if errors.Is(r.out.reason, mend.err) {
				v.Findings = append(v.Findings, mend.find)
			}
		}
	}
	switch {
	case len(v.Findings) > 0 && !errors.Is(r.out.reason, sonzaihook.ErrSecretAwaited):
		v.Title = "Refused"
	case !r.whole:
		v.Title = "Not explained"
		v.Findings = append(v.Findings, finding{"body", "the body was not kept whole, so the signature cannot be computed", ""})
	default:
		i.diagnose(r, &v)
	}
	return v
}

func (i *Inspector) accepted(r *record) verdict {
	if r.origin == replayed || r.origin == dispatched {
		return verdict{Good: true, Title: "Not signed: it did not come as a request"}
	}
	v := verdict{Good: true, Title: "Valid"}
	if !r.out.signedAt.IsZero() {
		v.Title += ", signed " + r.out.signedAt.UTC().Format("2006-01-02 15:04:05") + " UTC"
	}
	if r.out.retiring {
		v.Findings = []finding{{"secret", "it was signed with a secret that a rotation has replaced",
			"the platform does not use the new secret yet; deliveries are refused when the grace of the old one is over"}}
	}
	return v
}

// atArrival begins advice for the command line: here it is known when a delivery arrived.
const atArrival = "; for a delivery that was recorded earlier"

// diagnose computes what a signature may have been made of.
func (i *Inspector) diagnose(r *record, v *verdict) {
	i.explains <- struct{}{}
	defer func() { <-i.explains }()
	tried := i.candidates(r.claimedProject(), sonzaihook.EventType(r.typ()))
	secrets, names := make([]string, len(tried)), make([]string, len(tried))
	for n, c := range tried {
		secrets[n], names[n] = c.secret, plain(c.name(), longestName)
	}
	report := diagnosis.Explain(diagnosis.Input{
		Body: r.body, Header: strings.Join(r.signature, ","), Secrets: secrets, Now: r.at, Tolerance: i.tolerance,
	})
	v.Title, v.Tried = counted(len(report.Problems), "problem"), report.Tried
	if len(secrets) > 1 {
		v.Secrets = names
	}
	for _, p := range report.Problems {
		if len(secrets) == 0 && p.Kind == diagnosis.Match {
			continue
		}
		what := p.What
		if p.Column > 0 {
			what = fmt.Sprintf("column %d of the header: %s", p.Column, what)
		}
		fix, _, _ := strings.Cut(p.Fix, atArrival)
		v.Findings = append(v.Findings, finding{string(p.Kind), what, fix})
	}
	switch {
	case len(secrets) == 0:
		v.Title = "Only the form was checked"
		v.Findings = append(v.Findings, finding{"secret", "the inspector was given no secrets, so it cannot say more", "make it with inspector.WithSecrets"})
	case report.Valid && !tried[report.Secret-1].signs(r.typ()):
		v.Title = "Signed with another type's secret"
		v.Findings = append(v.Findings, finding{"secret", fmt.Sprintf("it was signed with the secret of %s", names[report.Secret-1]), otherType})
	case report.Valid:
		v.Title = "Valid here"
		v.Findings = append(v.Findings, finding{"secret", fmt.Sprintf("the signature is right with the secret of %s", names[report.Secret-1]),
			"the receiver has other secrets than the inspector, or another clock or tolerance"})
	case report.Authentic:
		v.Findings = append(v.Findings, finding{"good", "the secret and the body are right", ""})
	}
}
