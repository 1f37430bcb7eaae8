package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook"
)

func newSend(a *app) *cobra.Command {
	s := sending{app: a}
	cmd := &cobra.Command{
		Use:   "send <type> | --body <file>",
		Short: "Send one signed delivery to a server",
		Long: `Send signs a delivery and posts it to a URL, as the platform does, and prints the
status, the code in the answer and the time it took.

The body is a sample of the given event type, with an id of its own and the current
time, so that a second one is not taken for a copy of the first. --set changes it;
--set event_id=evt_1 sends copies on purpose. With --body it is one of your own, sent
byte for byte unless --set changes it.

Types: ` + typeNames(", ") + `.
The "agent." may be left out, and the other names that the platform uses are known too.

` + secretHelpLong + `

The exit code is 0 if the answer is 2xx, 1 if it is another or there is none, and 2
for wrong usage.`,
		Example: `  sonzaihook send mood_change --url http://localhost:8080/webhooks/sonzai
  sonzaihook send mood_change --url "$URL" --set data.valence=12 --set data.label=gloomy
  sonzaihook send message --url "$URL" --set event_id=evt_1     # twice: the second is a duplicate
  sonzaihook send message --url "$URL" --tampered               # expect 401
  jq -c .event captured.json | sonzaihook send --body - --url "$URL"`,
		Args:              atMost(1),
		ValidArgsFunction: cobra.FixedCompletions(completions(), cobra.ShellCompDirectiveNoFileComp),
		RunE:              func(cmd *cobra.Command, args []string) error { return s.run(cmd.Context(), first(args)) },
	}
	s.register(cmd)
	return cmd
}

func (s *sending) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.url, "url", "", "`address` to post to, as in http://localhost:8080/webhooks/sonzai")
	flags.StringVar(&s.secret, "secret", "", secretHelp)
	flags.StringVar(&s.authorization, "authorization", "", "`value` of the Authorization header, or @file to read it from one")
	flags.StringArrayVar(&s.set, "set", nil, "change the body: `path=value` as in data.valence=12, where the value is JSON or else a string; may be repeated")
	flags.StringVar(&s.body, "body", "", "send this `file` instead of a sample, - for the standard input")
	flags.BoolVar(&s.flat, "flat", false, "use the sample whose payload stands beside the envelope's fields")
	flags.BoolVar(&s.tampered, "tampered", false, "change the body after it was signed")
	flags.BoolVar(&s.stale, "stale", false, "sign as if it were an hour ago")
	flags.DurationVar(&s.timeout, "timeout", 30*time.Second, "how long to wait for the answer")
	flags.BoolVar(&s.json, "json", false, "print one JSON object")
	cmd.MarkFlagsMutuallyExclusive("tampered", "stale")
	cmd.MarkFlagsMutuallyExclusive("body", "flat")
	if err := cmd.MarkFlagRequired("url"); err != nil {
		panic(err) // the flag is defined above
	}
}

func completions() []cobra.Completion {
	var list []cobra.Completion
	for _, t := range sonzaihook.EventTypes() {
		list = append(list, string(t))
	}
	return list
}

// sending is one run of the send command.
type sending struct {
	app           *app
	url           string
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

func (s *sending) run(ctx context.Context, name string) error {
	p, err := s.parcel(name)
	if err != nil {
		return err
	}
	answer, err := post(ctx, newClient(s.timeout), p)
	if err != nil {
		return answerNo{err.Error()}
	}
	if err := s.print(p, answer); err != nil {
		return err
	}
	if !answer.accepted() {
		return answerNo{}
	}
	return nil
}

func (s *sending) parcel(name string) (parcel, error) {
	if err := checkURL(s.url); err != nil {
		return parcel{}, err
	}
	secret, err := s.app.secret(s.secret)
	if err != nil {
		return parcel{}, err
	}
	p := parcel{url: s.url}
	if s.authorization != "" {
		if p.authorization, err = reveal(s.authorization); err != nil {
			return parcel{}, fmt.Errorf("authorization: %w", err)
		}
	}
	if p.body, err = s.compose(name); err != nil {
		return parcel{}, err
	}
	at := s.app.now()
	if s.stale {
		at = at.Add(-time.Hour)
	}
	if p.signature, err = sign(p.body, secret, at); err != nil {
		return parcel{}, err
	}
	if s.tampered {
		p.body = append(p.body, ' ') // still the same JSON, but other bytes
	}
	return p, nil
}

// compose makes the body that is signed.
func (s *sending) compose(name string) ([]byte, error) {
	body, err := s.original(name)
	for _, assignment := range s.set {
		if err != nil {
			break
		}
		body, err = assign(body, assignment)
	}
	return body, err
}

func (s *sending) original(name string) ([]byte, error) {
	switch {
	case name == "" && s.body == "":
		return nil, errors.New("what to send? Give an event type, as in agent.mood_change, or --body")
	case name != "" && s.body != "":
		return nil, errors.New("give an event type or --body, not both; to name the type of your own body use --set event_type=…")
	case s.body != "":
		return s.app.body(s.body)
	}
	t, wire, err := typeOf(name)
	if err != nil {
		return nil, err
	}
	sample, err := fixture(t, s.flat)
	if err != nil {
		return nil, err
	}
	return fresh(sample, wire, s.app.now())
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return errors.New("--url: want an absolute http or https URL, as in http://localhost:8080/webhooks/sonzai")
	}
	return nil
}

func (s *sending) print(p parcel, answer reply) error {
	name, id := field(p.body, typeKeys...), field(p.body, idKeys...)
	if s.json {
		return json.NewEncoder(s.app.out).Encode(struct {
			Status     int     `json:"status"`
			Code       string  `json:"code,omitempty"`
			DurationMS float64 `json:"duration_ms"`
			Type       string  `json:"type,omitempty"`
			EventID    string  `json:"event_id,omitempty"`
		}{answer.status, answer.code, float64(answer.duration) / float64(time.Millisecond), name, id})
	}
	code := cmp.Or(answer.code, http.StatusText(answer.status), "no reason given")
	line := statusStyle(answer.status).Render(fmt.Sprintf("%d %s", answer.status, code)) +
		"  " + milliseconds(answer.duration)
	if about := cmp.Or(name, "no type") + " " + id; name != "" || id != "" {
		line += faint.Render("  " + about)
	}
	_, err := fmt.Fprintln(s.app.paper(s.app.out), line)
	return err
}
