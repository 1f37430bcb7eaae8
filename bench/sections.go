package main

import (
	"context"
	"io"
	"log/slog"
	"math"
	"net/http"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// The sections: which lanes run against each other, and which table they make.

// collectedPlan is a plan whose turns are long enough that each pays for the garbage
// that it makes. In shorter ones the collector, which starts every so many bytes,
// would run in the turns of some lanes in nearly every round, and never in others'.
func (b *bench) collectedPlan() plan {
	if b.quick {
		return b.plan
	}
	return plan{rounds: max(b.plan.rounds/2, 1), slice: 5 * b.plan.slice}
}

// raceBySize runs one race for each size and returns the results by size.
func (b *bench) raceBySize(title string, lanes func(size) []lane) ([][]result, error) {
	var columns [][]result
	for _, s := range sizes {
		b.say("%s, %s", title, s.label)
		results, err := b.collectedPlan().race(lanes(s))
		if err != nil {
			return nil, err
		}
		columns = append(columns, results)
	}
	return columns, nil
}

func (b *bench) verify() error {
	field := []*contender{ours, oursTimed, bareSHA, bareHMAC}
	for _, c := range peers {
		if c.verifier != nil {
			field = append(field, c)
		}
	}
	columns, err := b.raceBySize("verify", func(s size) []lane {
		var lanes []lane
		for _, c := range field {
			lanes = append(lanes, verifyLane(c, newBody(s.bytes, sonzaiLayout)))
		}
		lanes[0].name = "sonzaihook.Verify"
		return lanes
	})
	if err != nil {
		return err
	}
	b.paper.comparison("Verify only", "A signature over a body that is in memory. × is how many times as long as the first row.", columns)
	b.paper.costs(columns)
	b.paper.remember(field...)
	b.reach("verify alone ÷ pre-keyed HMAC", atMost, columns, 1, 3, 1.25, 1.10, 1.05, 1.05)
	b.reachAllocs("verify alone, allocations", columns, 0, -1, 0)
	b.reachFastest("verify, nearest peer ÷ sonzaihook.Verify", columns, 0, 4)
	return nil
}

func (b *bench) handler() error {
	columns, err := b.raceBySize("handler", func(s size) []lane {
		var lanes []lane
		for _, c := range contenders {
			lanes = append(lanes, deliver(c, newBody(s.bytes, c.layout)).lane(c.name))
		}
		return lanes
	})
	if err != nil {
		return err
	}
	b.paper.comparison("Whole handler", "From the request to the answer, through `ServeHTTP`, without a server. × is how many times as long as the first row.", columns)
	b.paper.costs(columns)
	b.paper.remember(contenders...)
	b.reach("whole handler, no store ÷ floor handler", atMost, columns, 1, 2, 1.30, 1.15, 1.10, 1.10)
	b.show("· with the memory store", columns, func(r []result) float64 { return r[0].over(&r[2]) })
	b.reach("by hand ÷ whole handler, no store", atLeast, columns, 3, 1, 2.8, 3.5, 3.8, 3.8)
	b.reach("· with the memory store", atLeast, columns, 3, 0, 2.8, 3.5, 3.8, 3.8)
	b.reachAllocs("whole handler, no store, allocations more than the floor", columns, 1, 2, 4)
	b.reachFastest("handler with the store, nearest peer ÷ sonzaihook", columns, 0, 3)
	return nil
}

func (b *bench) refusals() error {
	var stale, forged [][]result
	for _, s := range []size{sizes[0], sizes[3]} {
		b.say("refusals, %s", s.label)
		results, err := b.plan.race(b.staleLanes(s))
		if err != nil {
			return err
		}
		stale = append(stale, results)
		if results, err = b.plan.race(forgedLanes(s)); err != nil {
			return err
		}
		forged = append(forged, results)
	}
	b.paper.refusals("Refusals: stale", "Signed an hour ago, in the right way. *read* is how much of the body was read.", stale)
	b.paper.refusals("Refusals: forged", "Signed just now, with another secret.", forged)
	b.reachTime("a stale delivery of 256 KB, refused", &stale[1][0], 500*time.Nanosecond)
	more := stale[1][0].bytes() - stale[0][0].bytes()
	b.reachLarge("· bytes allocated more than for 400 B", newCell(atMost, math.Round(more), 0, volume))
	return nil
}

// staleAge is how old a stale delivery is.
const staleAge = time.Hour

func (b *bench) staleLanes(s size) []lane {
	lanes := []lane{refusal(ours, s, staleAge, "sonzaihook")}
	for _, c := range peers {
		if c.scheme.stamps {
			lanes = append(lanes, refusal(c, s, staleAge, c.name))
		}
	}
	logging := deliver(ours, newBody(s.bytes, sonzaiLayout))
	logging.age, logging.refused = staleAge, true
	logging.build = func(k *sink) http.Handler {
		logger := slog.New(slog.NewTextHandler(io.Discard, nil))
		return receiver(k, sonzaihook.Secret(secret), sonzaihook.WithStore(nil), sonzaihook.WithLogger(logger))
	}
	l := logging.lane("sonzaihook, with a text log")
	l.peek = logging.read
	return append(lanes, l)
}

func forgedLanes(s size) []lane {
	lanes := []lane{refusal(ours, s, 0, "sonzaihook")}
	for _, c := range peers {
		lanes = append(lanes, refusal(c, s, 0, c.name))
	}
	return lanes
}

// refusal is a lane of deliveries that are too old or, without an age, forged.
func refusal(c *contender, s size, age time.Duration, name string) lane {
	d := deliver(c, newBody(s.bytes, c.layout))
	d.age, d.refused = age, true
	if age == 0 {
		d.signer = "fedcba9876543210fedcba9876543210"
	}
	l := d.lane(name)
	l.peek = d.read
	return l
}

// read returns how many bytes of each body were read.
func (d *delivering) read() float64 {
	return float64(d.reader.total) / float64(len(d.signatures)-warmUp)
}

func (b *bench) secrets() error {
	columns, err := b.raceBySize("secrets", func(s size) []lane {
		var lanes []lane
		for _, n := range []int{1, 6, 12} {
			d := deliver(ours, newBody(s.bytes, sonzaiLayout))
			d.build = func(k *sink) http.Handler {
				return receiver(k, secretsByType(n, d.body.typ), sonzaihook.WithStore(nil))
			}
			lanes = append(lanes, d.lane("sonzaihook, "+plural(n, "secret")))
		}
		for _, n := range []int{1, 6, 12} {
			d := deliver(byHand, newBody(s.bytes, sonzaiLayout))
			d.secrets = secretsInOrder(n)
			lanes = append(lanes, d.lane("by hand, "+plural(n, "secret")))
		}
		return lanes
	})
	if err != nil {
		return err
	}
	b.paper.comparison("Several secrets", "The platform has one secret for each event type, and two while one rotates. sonzaihook finds the one by the type; by hand they are tried in turn, here until the last. × is how many times as long as the first row.", columns)
	b.show("12 secrets ÷ 1 secret", columns, func(r []result) float64 { return r[2].over(&r[0]) })
	return nil
}

func (b *bench) shapes() error {
	kinds := []struct {
		shape shape
		name  string
	}{{plainText, "plain prose"}, {markedText, "prose with quotes, line breaks, accents"}, {shortValues, "hundreds of short values"}}
	columns, err := b.raceBySize("shapes", func(s size) []lane {
		var lanes []lane
		for _, kind := range kinds {
			for _, c := range []*contender{ours, floor, byHand} {
				lanes = append(lanes, deliver(c, newShapedBody(s.bytes, c.layout, kind.shape)).lane(c.name))
			}
		}
		return lanes
	})
	if err != nil {
		return err
	}
	var rows []comparedLanes
	for i, kind := range kinds {
		rows = append(rows, comparedLanes{kind.name + ": sonzaihook ÷ floor", 3 * i, 3*i + 1},
			comparedLanes{kind.name + ": by hand ÷ sonzaihook", 3*i + 2, 3 * i})
	}
	b.paper.ratios("The shape of the body", "All other tables are about plain prose. What decoding costs depends on it, and so does how far apart two decoders are.", columns, rows)
	return nil
}

func (b *bench) server() error {
	columns := make([][]result, len(sizes))
	for i, s := range sizes {
		b.say("server, %s", s.label)
		results, err := b.raceServers(context.Background(), s)
		if err != nil {
			return err
		}
		columns[i] = results
	}
	b.paper.throughput(columns)
	b.paper.remember(served...)
	b.reach("real server, requests per second: no store ÷ by hand", atLeast, columns, 3, 1, 1.25, 1.9, 2.5, 4)
	b.reach("· with the memory store", atLeast, columns, 3, 0, 1.25, 1.9, 2.5, 4)
	b.show("· floor ÷ by hand, the most that there is", columns, func(r []result) float64 { return r[3].over(&r[2]) })
	b.show("real server, processor time: by hand ÷ no store", columns, func(r []result) float64 { return r[3].peekedOver(&r[1]) })
	b.show("· with the memory store", columns, func(r []result) float64 { return r[3].peekedOver(&r[0]) })
	return nil
}
