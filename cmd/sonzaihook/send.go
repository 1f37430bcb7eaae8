package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/tidwall/sjson"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
)

func newSend(c *console.Console) *cobra.Command {
	s := sendOptions{console: c}
	cmd := &cobra.Command{
		Use:   "send <type> | --body <file>",
		Short: "Send one signed delivery to a server",
		Long: `Send signs a delivery and posts it to a URL, as the platform does, and prints the
status, the code in the answer and the time it took. An answer that has not the form of
a sonzaihook receiver's came from something else, which it says: a proxy, or other
authentication before it.

The body is a sample of the given event type, with a new id and the current time, so
that a second one is not taken for a copy of the first. --set changes it;
--set event_id=evt_1 sends copies on purpose. With --body it is one of your own, sent
byte for byte unless --set changes it.

--project makes the sample an event of a project, whose id then stands for {project} in
--url and in the name of a secret's file.

Types: ` + delivery.TypeNames(", ") + `.
The "agent." may be left out, and the other names that the platform uses are known too.

` + secretHelpLong + `

The exit code is 0 if the answer is 2xx, 1 if it is another or there is none, and 2
for wrong usage.`,
		Example: `  sonzaihook send mood_change --url http://localhost:8080/webhooks/sonzai
  sonzaihook send mood_change --url "$URL" --set data.valence=12 --set data.label=gloomy
  sonzaihook send message --url "$URL" --set event_id=evt_1     # twice: the second is a duplicate
  sonzaihook send message --project p1 --url 'http://localhost:8080/webhooks/sonzai/{project}/{event}'
  sonzaihook send message --url "$URL" --tampered               # expect 401
  jq -c .event captured.json | sonzaihook send --body - --url "$URL"`,
		Args:              atMost(1),
		ValidArgsFunction: completeOneName,
		RunE:              func(cmd *cobra.Command, args []string) error { return s.run(cmd.Context(), first(args)) },
	}
	s.register(cmd)
	return cmd
}

func (s *sendOptions) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.url, "url", "", "`address` to post to, as in http://localhost:8080/webhooks/sonzai; "+placesHelp)
	flags.StringVar(&s.project, "project", "", "send as an event of the project with this `id`")
	flags.StringVar(&s.secret, "secret", "", secretHelp+"; "+placesHelp)
	flags.StringVar(&s.authorization, "authorization", "", "`value` of the Authorization header, or @file to read it from one")
	flags.StringArrayVar(&s.set, "set", nil, "change the body: `path=value` as in data.valence=12, where the value is JSON or else a string; may be repeated")
	flags.StringVar(&s.body, "body", "", "send this `file` instead of a sample, - for the standard input")
	flags.BoolVar(&s.flat, "flat", false, "use the sample whose payload is not under \"data\"")
	flags.BoolVar(&s.tampered, "tampered", false, "change the body after it was signed")
	flags.BoolVar(&s.stale, "stale", false, "sign as if it were an hour ago")
	flags.DurationVar(&s.timeout, "timeout", 30*time.Second, "how long to wait for the answer")
	flags.BoolVar(&s.json, "json", false, "print one JSON object")
	cmd.MarkFlagsMutuallyExclusive("tampered", "stale")
	cmd.MarkFlagsMutuallyExclusive("body", "flat")
	requireFlags(cmd, "url")
}

// sendOptions are the flags of the send command.
type sendOptions struct {
	console       *console.Console
	url           string
	project       string
	secret        string
	authorization string
	set           []string
	body          string
	flat          bool
	tampered      bool
	stale         bool
	timeout       time.Duration
	json          bool
}

func (s *sendOptions) run(ctx context.Context, name string) error {
	req, err := s.request(name)
	if err != nil {
		return err
	}
	answer, err := delivery.Post(ctx, delivery.NewClient(s.timeout), req)
	if err != nil {
		return console.No(err.Error())
	}
	if err := s.print(req, answer); err != nil {
		return err
	}
	switch {
	case answer.Accepted():
		return nil
	case s.json:
		return console.No("") // the object has said it
	}
	return console.No(s.note(answer))
}

// note says of an answer what its status does not. A 401 from a receiver and one
// from authentication in front of it have different fixes.
func (s *sendOptions) note(answer delivery.Reply) string {
	expected := s.tampered || s.stale
	switch {
	case answer.Accepted():
		return ""
	case answer.Receiver && answer.Code == sonzaihook.CodeUnauthorized && !expected:
		return "a sonzaihook receiver refused it: it has another secret, demands another Authorization, or one of the two clocks is wrong; its log says which"
	case answer.Receiver:
		return ""
	case answer.Redirected() != "":
		return "a redirect, " + answer.Redirected() + ", as the platform follows none: register the address that takes deliveries by itself"
	case answer.Status == http.StatusUnauthorized, answer.Status == http.StatusForbidden:
		return "this is not the answer of a sonzaihook receiver: other authentication refused the request before it, such as middleware, a proxy or an API gateway; the signature was not looked at"
	case answer.Status == http.StatusNotFound, answer.Status == http.StatusMethodNotAllowed:
		return "this is not the answer of a sonzaihook receiver: there is none at the path of --url"
	}
	return "this is not the answer of a sonzaihook receiver, which has a code"
}

func (s *sendOptions) request(name string) (delivery.SignedRequest, error) {
	if err := checkURL("--url", s.url); err != nil {
		return delivery.SignedRequest{}, err
	}
	if err := errors.Join(checkPlaces("--url", s.url, s.project), checkPlaces("--secret", s.secret, s.project)); err != nil {
		return delivery.SignedRequest{}, err
	}
	var req delivery.SignedRequest
	var err error
	if s.authorization != "" {
		if req.Authorization, err = reveal(s.authorization); err != nil {
			return delivery.SignedRequest{}, fmt.Errorf("authorization: %w", err)
		}
	}
	if req.Body, err = s.compose(name); err != nil {
		return delivery.SignedRequest{}, err
	}
	of := place{s.project, delivery.Field(req.Body, delivery.TypeKeys...)}
	if req.URL = of.url(s.url); strings.Contains(s.url, eventPlace) && of.event == "" {
		return delivery.SignedRequest{}, errors.New("--url: with " + eventPlace + " in it the body needs a type")
	}
	secret, err := secretFor(s.console, s.secret, of)
	if err != nil {
		return delivery.SignedRequest{}, err
	}
	at := s.console.Now()
	if s.stale {
		at = at.Add(-time.Hour)
	}
	if req.Signature, err = delivery.Sign(req.Body, secret, at); err != nil {
		return delivery.SignedRequest{}, err
	}
	if s.tampered {
		req.Body = append(req.Body, ' ') // still the same JSON, but other bytes
	}
	return req, nil
}

// compose makes the body that is signed.
func (s *sendOptions) compose(name string) ([]byte, error) {
	body, err := s.original(name)
	for _, assignment := range s.set {
		if err != nil {
			break
		}
		body, err = delivery.Assign(body, assignment)
	}
	return body, err
}

func (s *sendOptions) original(name string) ([]byte, error) {
	switch {
	case name == "" && s.body == "":
		return nil, errors.New("what to send? Give an event type, as in agent.mood_change, or --body")
	case name != "" && s.body != "":
		return nil, errors.New("give an event type or --body, not both; to name the type of your own body use --set event_type=…")
	case s.body != "":
		return readBody(s.console, s.body)
	}
	t, wire, err := delivery.TypeOf(name)
	if err != nil {
		return nil, err
	}
	sample, err := delivery.Sample(t, s.flat)
	if err != nil {
		return nil, err
	}
	body, err := delivery.Fresh(sample, wire, s.console.Now())
	if err != nil || s.project == "" {
		return body, err
	}
	return sjson.SetBytes(body, "project_id", s.project)
}

func (s *sendOptions) print(req delivery.SignedRequest, answer delivery.Reply) error {
	name, id := delivery.Field(req.Body, delivery.TypeKeys...), delivery.Field(req.Body, delivery.IDKeys...)
	if s.json {
		return s.console.WriteJSON(struct {
			Status     int     `json:"status"`
			Code       string  `json:"code,omitempty"`
			DurationMS float64 `json:"duration_ms"`
			Type       string  `json:"type,omitempty"`
			EventID    string  `json:"event_id,omitempty"`
			Note       string  `json:"note,omitempty"`
		}{answer.Status, answer.Code, console.InMS(answer.Duration), name, id, s.note(answer)})
	}
	code := cmp.Or(answer.Code, http.StatusText(answer.Status), "no reason given")
	cells := line{
		console.Status(answer.Status, fmt.Sprintf("%d %s", answer.Status, code)),
		console.Plain("  " + console.Milliseconds(answer.Duration)),
	}
	if name != "" || id != "" {
		cells = append(cells, console.Faint("  "+cmp.Or(name, "no type")+" "+id))
	}
	return s.console.Say(cells...)
}
