package main

import (
	"fmt"
	"math"
	"net/http"

	"github.com/sonzaihook/sonzaihook"
)

// Many projects at one receiver: what a delivery costs must not depend on how many
// there are.

var projectCounts = []int{1, 100, 10_000}

// theProject is the one that the bodies name.
const theProject = "proj_demo"

// projectReceiver is a receiver with n projects, whose callbacks tell the sink that
// it was last asked for.
type projectReceiver struct {
	hooks *sonzaihook.Receiver
	sink  *sink
}

// newProjectReceiver gives each project a secret for each type, as the platform
// does, and the tenant one for all types.
func newProjectReceiver(n int) (*projectReceiver, error) {
	p := &projectReceiver{sink: &sink{}}
	p.hooks = receiver(p.sink, sonzaihook.Secret("the tenant's secret, which signs nothing here"), sonzaihook.WithStore(nil))
	for i := range n {
		name, own := theProject, secret
		if i > 0 {
			name = fmt.Sprint("proj_", i)
			own = fmt.Sprint("the secret of one of many projects, the ", i)
		}
		secrets := sonzaihook.Secrets{}
		for _, t := range sonzaihook.EventTypes() {
			secrets[t] = []string{own}
		}
		if err := p.hooks.Project(name).SetSecrets(secrets); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// lane is a lane of deliveries that name the project, signed with its secret or
// forged.
func (p *projectReceiver) lane(name string, s size, forged bool) lane {
	d := deliver(ours, newBody(s.bytes, sonzaiLayout))
	d.build = func(*sink) http.Handler { return p.hooks }
	d.counts = p.sink
	if forged {
		d.refused, d.signer = true, "fedcba9876543210fedcba9876543210"
	}
	return d.lane(name)
}

func (b *bench) projects() error {
	var receivers []*projectReceiver
	for _, n := range projectCounts {
		b.say("projects, a receiver with %s", plural(n, "project"))
		p, err := newProjectReceiver(n)
		if err != nil {
			return err
		}
		receivers = append(receivers, p)
	}
	columns, err := b.raceBySize("projects", func(s size) []lane {
		var lanes []lane
		for _, forged := range []bool{false, true} {
			for i, p := range receivers {
				kind := "accepted, "
				if forged {
					kind = "forged, "
				}
				lanes = append(lanes, p.lane(kind+plural(projectCounts[i], "project"), s, forged))
			}
		}
		return append(lanes, verifyLane(bareHMAC, newBody(s.bytes, sonzaiLayout)))
	})
	if err != nil {
		return err
	}
	b.paper.comparison("Projects", "The body names one of so many projects, each with a secret for each type; the tenant has one for all types. × is how many times as long as the first row.", columns)
	large := columns[len(columns)-1]
	most := len(projectCounts) - 1
	aims := []aim{
		newAim("accepted, 400 B: 100 projects ÷ 1", atMost, columns[0][1].over(&columns[0][0]), 1.05, ratio),
		newAim("accepted, 400 B: 10,000 projects ÷ 1", atMost, columns[0][most].over(&columns[0][0]), 1.05, ratio),
		newAim("accepted, 2 KB: 100 projects ÷ 1", atMost, columns[1][1].over(&columns[1][0]), 1.05, ratio),
		newAim("accepted, 2 KB: 10,000 projects ÷ 1", atMost, columns[1][most].over(&columns[1][0]), 1.05, ratio),
		newAim("forged, 400 B: 10,000 projects ÷ 1", atMost, columns[0][3+most].over(&columns[0][3]), 1.05, ratio),
		newAim("forged, 2 KB: 10,000 projects ÷ 1", atMost, columns[1][3+most].over(&columns[1][3]), 1.05, ratio),
	}
	for i, n := range projectCounts { // at 256 KB a refusal is little but MACs
		macs := math.Round(large[3+i].over(&large[6]))
		aims = append(aims, newAim("forged, MACs with "+plural(n, "project"), atMost, macs, 2, count))
	}
	b.paper.aims(aims)
	return nil
}
