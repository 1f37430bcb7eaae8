package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"github.com/tidwall/gjson"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
	"github.com/sonzaihook/sonzaihook/inspector"
	"github.com/sonzaihook/sonzaihook/simulator"
)

func newSimulate(c *console.Console) *cobra.Command {
	s := simulateOptions{console: c}
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Run a Sonzai platform in miniature",
		Long: `Simulate serves the platform's webhook, notification and wakeup calls on this machine,
and delivers what happens there: signed, retried, logged. State is in memory and gone
when it ends. Point the other commands, or the code that you test, at it with
SONZAI_BASE_URL and SONZAI_API_KEY.

Let something happen with --every, by scheduling a wakeup, or by posting an event to
` + simulator.EmitPath + `. Each call and each delivery is one line.

It can misbehave. --delivery-fault takes, separated by commas:
  delay=200ms duplicates=2 hold-back drop drop-answer   what goes wrong
  type=agent.message times=3                            for which, and how often
--call-fault takes:
  delay=200ms status=503 retry-after=2s html drop drop-answer
  call=GET /webhooks   times=3
A fault without times stays. Where several fit, the last one counts.`,
		Example: `  sonzaihook simulate --addr localhost:9090
  sonzaihook simulate --every 2s --delivery-fault drop-answer,times=3
  sonzaihook simulate --speed 60 --call-fault 'call=GET /webhooks,status=429,retry-after=2s,times=1'`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd.Context()) },
	}
	s.register(cmd)
	return cmd
}

func (s *simulateOptions) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.addr, "addr", "localhost:9090", "`address` to listen on; the port 0 is any free one")
	flags.StringVar(&s.apiKey, "api-key", "", "the `key` that calls must carry, or @file to read it from one; the default is "+simulator.DefaultAPIKey)
	flags.StringArrayVar(&s.projects, "project", nil, "`id` of a project; may be repeated, and the first is that of the API key")
	flags.DurationVar(&s.every, "every", 0, "let a sample event happen this often; 0 for never")
	flags.Float64Var(&s.speed, "speed", 1, "make the waits before retries and wakeups shorter by this `factor`")
	flags.IntVar(&s.attempts, "attempts", 4, "deliver an event this `number` of times at most")
	flags.DurationVar(&s.timeout, "timeout", 10*time.Second, "how long a server may take to answer a delivery")
	flags.StringVar(&s.layout, "layout", string(simulator.LayoutData), "`form` of the bodies: data, flat or bare")
	flags.DurationVar(&s.overlap, "overlap", 0, "sign with the old secret too for this long after a rotation")
	flags.BoolVar(&s.repeat, "repeat-signature", false, "retry with the signature of the first attempt")
	flags.BoolVar(&s.insecure, "insecure-urls", false, "accept http URLs of other machines too")
	flags.StringArrayVar(&s.deliveryFaults, "delivery-fault", nil, "`what` goes wrong with deliveries; may be repeated")
	flags.StringArrayVar(&s.callFaults, "call-fault", nil, "`what` goes wrong with calls; may be repeated")
	flags.BoolVar(&s.json, "json", false, "print one JSON object per line, the addresses first")
	registerInspect(flags, &s.inspect)
	completeFlag(cmd, "layout", completeLayouts)
	completeFlag(cmd, "delivery-fault", completeDeliveryFaults)
	completeFlag(cmd, "call-fault", completeCallFaults)
}

// simulateOptions are the flags of the simulate command.
type simulateOptions struct {
	console        *console.Console
	addr           string
	apiKey         string
	projects       []string
	every          time.Duration
	speed          float64
	attempts       int
	timeout        time.Duration
	layout         string
	overlap        time.Duration
	repeat         bool
	insecure       bool
	deliveryFaults []string
	callFaults     []string
	json           bool
	inspect        string

	journal *journal
}

func (s *simulateOptions) run(ctx context.Context) (err error) {
	s.journal = &journal{console: s.console, json: s.json}
	if s.every < 0 {
		return errors.New("--every: it must not be negative")
	}
	var sim *simulator.Simulator
	board := &switchboard{}
	var page *inspector.Inspector
	var options []simulator.Option
	if s.inspect != "" {
		page = inspector.New(nil, inspector.WithFaults(board), inspector.WithEmit(func(ctx context.Context, body []byte) error {
			return emitFrom(sim)(ctx, body)
		}))
		options = append(options, simulator.WithHTTPClient(&http.Client{Transport: page.Transport(nil)}))
	}
	sim, err = s.simulator(options...)
	if err != nil {
		return err
	}
	defer sim.Close()
	board.sim, board.given = sim, func() error { return misbehave(sim, s.deliveryFaults, s.callFaults) }
	ctx, stop := s.console.WhileRead(ctx)
	defer stop()
	if page != nil {
		hide, err := serveInspector(ctx, s.console, s.inspect, page)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, hide()) }()
	}
	server, err := delivery.Serve(ctx, s.addr, s.journal.around(sim))
	if err != nil {
		return fmt.Errorf("--addr: %w", err)
	}
	defer func() {
		end, cancel := delivery.Ending(ctx)
		defer cancel()
		sim.Close() // first, so that no call and no delivery waits any longer
		err = errors.Join(err, server.Stop(end))
	}()
	if err := s.banner(server); err != nil {
		return err
	}
	if s.every > 0 {
		ctx, cancel := context.WithCancel(ctx)
		emitting := make(chan struct{})
		go func() {
			defer close(emitting)
			s.emit(ctx, sim)
		}()
		defer func() {
			cancel()
			<-emitting
		}()
	}
	return server.Wait(ctx)
}

func (s *simulateOptions) simulator(more ...simulator.Option) (*simulator.Simulator, error) {
	key, err := reveal(s.apiKey)
	if err != nil {
		return nil, fmt.Errorf("--api-key: %w", err)
	}
	options := append(more,
		simulator.WithAPIKey(cmp.Or(key, simulator.DefaultAPIKey)),
		simulator.WithSpeed(s.speed),
		simulator.WithAttempts(s.attempts, time.Second, 5*time.Minute),
		simulator.WithDeliveryTimeout(s.timeout),
		simulator.WithLayout(simulator.Layout(s.layout)),
		simulator.WithRotationOverlap(s.overlap),
		simulator.WithObserver(s.journal.attempt),
	)
	if len(s.projects) > 0 {
		options = append(options, simulator.WithProjects(s.projects...))
	}
	if s.repeat {
		options = append(options, simulator.WithRepeatedSignature())
	}
	if s.insecure {
		options = append(options, simulator.WithInsecureURLs())
	}
	sim, err := simulator.New(options...)
	if err != nil {
		return nil, err
	}
	if err := misbehave(sim, s.deliveryFaults, s.callFaults); err != nil {
		sim.Close()
		return nil, err
	}
	return sim, nil
}

// banner says where the platform is and how to use it.
func (s *simulateOptions) banner(server *delivery.Server) error {
	base, emit := server.URL()+simulator.BasePath, server.URL()+simulator.EmitPath
	project := cmp.Or(first(s.projects), simulator.DefaultProject)
	if s.json {
		return s.console.WriteJSON(struct {
			BaseURL string `json:"base_url"`
			EmitURL string `json:"emit_url"`
			Project string `json:"project_id"`
		}{base, emit, project})
	}
	key := simulator.DefaultAPIKey
	if s.apiKey != "" {
		key = "…" // the one that was given stays private
	}
	s.console.Remark(console.Strong("sonzaihook simulate"), console.Faint("  a Sonzai platform in miniature on "+server.URL()))
	s.console.Remark()
	// The bare host: the official SDKs read it so, and so does this command.
	s.console.Remark(console.Plain("  export SONZAI_BASE_URL=" + server.URL()))
	s.console.Remark(console.Plain("  export SONZAI_API_KEY=" + key))
	s.console.Remark()
	for _, use := range []struct{ command, why string }{
		{"sonzaihook listen", "print what it sends"},
		{"sonzaihook webhooks list", "see what is registered"},
		{"sonzaihook notifications list --agent agent_luna", "see what can be polled"},
	} {
		s.console.Remark(console.Plain("  "+use.command).Pad(54), console.Faint(use.why))
	}
	s.console.Remark(console.Plain(`  curl -H "Authorization: Bearer $SONZAI_API_KEY" \`))
	s.console.Remark(console.Plain(`    -H "Content-Type: application/json" \`))
	s.console.Remark(console.Plain(`    -d '{"type":"agent.message","agent_id":"agent_luna",`))
	s.console.Remark(console.Plain(`         "data":{"content":"hello"}}' \`))
	s.console.Remark(console.Plain("    " + emit))
	s.console.Remark()
	s.console.Remark(console.Faint("  project " + project + "; interrupt to end"))
	for _, fault := range append(append([]string(nil), s.deliveryFaults...), s.callFaults...) {
		s.console.Remark(console.Warn("  ! "), console.Plain("it misbehaves: "+fault))
	}
	s.console.Remark()
	return nil
}

// emit lets sample events happen, one type after the other.
func (s *simulateOptions) emit(ctx context.Context, sim *simulator.Simulator) {
	ticker := time.NewTicker(s.every)
	defer ticker.Stop()
	types := sonzaihook.EventTypes()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		event, err := sampleEvent(types[i%len(types)])
		if err == nil {
			_, err = sim.Emit(ctx, event)
		}
		if err != nil && ctx.Err() == nil {
			s.console.Remark(console.Plain(console.ErrorLine(err)))
		}
	}
}

// sampleEvent returns a sample of a documented type that happens now, with new ids.
func sampleEvent(t sonzaihook.EventType) (simulator.Event, error) {
	body, err := delivery.Sample(t, false)
	if err != nil {
		return simulator.Event{}, err
	}
	data, err := delivery.WithNewIDs([]byte(gjson.GetBytes(body, "data").Raw))
	if err != nil {
		return simulator.Event{}, err
	}
	return simulator.Event{
		Type: string(t), AgentID: delivery.Field(body, "agent_id"), UserID: delivery.Field(body, "user_id"), Data: json.RawMessage(data),
	}, nil
}
