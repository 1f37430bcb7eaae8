package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/spf13/pflag"
	"github.com/tidwall/gjson"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
	"github.com/sonzaihook/sonzaihook/inspector"
	"github.com/sonzaihook/sonzaihook/simulator"
)

// defaultInspect is where the page is served if --inspect says nothing else.
const defaultInspect = "localhost:4041"

// registerInspect adds the flag of commands that can show what passes on a page.
func registerInspect(flags *pflag.FlagSet, addr *string) {
	flags.StringVar(addr, "inspect", "", "also show what passes on a page in the browser, at this loopback `address`, or :port; alone it means "+defaultInspect)
	flags.Lookup("inspect").NoOptDefVal = defaultInspect
}

// loopback returns the address on which the page is served: the port alone stands for
// localhost. Any other host is an error, because the page would be refused to whoever
// came by it.
func loopback(ctx context.Context, addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("want a host and a port, as in %s: %w", defaultInspect, err)
	}
	if host == "" {
		return net.JoinHostPort("localhost", port), nil
	}
	found, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return "", err
	}
	for _, ip := range found {
		if !ip.IP.IsLoopback() {
			return "", fmt.Errorf("%s is not a loopback address, and the page is for this machine alone: "+
				"serve it on %s, and reach it from elsewhere with ssh -L", host, net.JoinHostPort("localhost", port))
		}
	}
	return addr, nil
}

// serveInspector serves the page and says where it is. The result ends it.
func serveInspector(ctx context.Context, c *console.Console, addr string, page *inspector.Inspector) (stop func() error, err error) {
	addr, err = loopback(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("--inspect: %w", err)
	}
	server, err := delivery.Serve(ctx, addr, page.Handler())
	if err != nil {
		return nil, fmt.Errorf("--inspect: %w", err)
	}
	c.Remark(console.Good("✓ "), console.Plain("inspect at "+server.URL()+"/"))
	return func() error {
		page.Close() // else the streams of open pages keep the server
		end, cancel := delivery.Ending(ctx)
		defer cancel()
		return server.Stop(end)
	}, nil
}

// shownSecrets hands the secrets of registrations to the page as they become known.
// It is safe for concurrent use.
type shownSecrets struct {
	page *inspector.Inspector
	mu   sync.Mutex
	all  map[string]sonzaihook.Secrets // by project, the tenant's under ""
}

// add adds the secret of a registration; the one before stays, as in a rotation.
func (s *shownSecrets) add(project string, name sonzaihook.EventType, secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]sonzaihook.Secrets{}
	}
	next := maps.Clone(s.all[project])
	if next == nil {
		next = sonzaihook.Secrets{}
	}
	next[name] = append([]string{secret}, slices.Clone(next[name])...)
	s.all[project] = next
	s.page.SetProjectSecrets(project, next)
}

// emitFrom lets an event happen that was composed on the page.
func emitFrom(sim *simulator.Simulator) func(context.Context, []byte) error {
	return func(ctx context.Context, body []byte) error {
		event := gjson.ParseBytes(body)
		if !event.IsObject() {
			return errors.New("it is no JSON object")
		}
		_, err := sim.Emit(ctx, simulator.Event{
			Type: event.Get("event_type").String(), ProjectID: event.Get("project_id").String(),
			AgentID: event.Get("agent_id").String(), UserID: event.Get("user_id").String(),
			Data: json.RawMessage(cmp.Or(event.Get("data").Raw, "{}")),
		})
		return err
	}
}

// switchboard is the faults of a simulator that the page can switch, beside those that
// the command line has asked for. It is safe for concurrent use.
type switchboard struct {
	sim   *simulator.Simulator
	given func() error // puts the faults of the command line back

	mu sync.Mutex
	on map[string]bool
}

var _ inspector.Faults = (*switchboard)(nil)

// switchable are the faults, in the order in which they are shown.
var switchable = []struct {
	name, description string
	fault             simulator.DeliveryFault
}{
	{"delay", "Each delivery comes two seconds late.", simulator.DeliveryFault{Delay: 2 * time.Second}},
	{"duplicates", "Each delivery comes three times.", simulator.DeliveryFault{Duplicates: 2}},
	{"hold-back", "Each delivery waits until the next one has passed it.", simulator.DeliveryFault{HoldBack: true}},
	{"drop", "Each delivery is lost on the way.", simulator.DeliveryFault{Drop: true}},
	{"drop-answer", "Each answer is lost, so that the delivery is tried again.", simulator.DeliveryFault{DropAnswer: true}},
}

// List implements inspector.Faults.
func (b *switchboard) List() []inspector.Fault {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []inspector.Fault
	for _, s := range switchable {
		all = append(all, inspector.Fault{Name: s.name, Description: s.description, On: b.on[s.name]})
	}
	return all
}

// Switch implements inspector.Faults. The simulator forgets all faults at once, so
// those that stay are given to it again.
func (b *switchboard) Switch(name string, on bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := false
	for _, s := range switchable {
		known = known || s.name == name
	}
	if !known {
		return fmt.Errorf("there is no fault %q", name)
	}
	if b.on == nil {
		b.on = make(map[string]bool)
	}
	b.on[name] = on
	b.sim.Behave()
	err := b.given()
	for _, s := range switchable {
		if b.on[s.name] {
			err = errors.Join(err, b.sim.MisbehaveDeliveries(s.fault))
		}
	}
	return err
}
