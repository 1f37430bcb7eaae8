package main

import (
	"fmt"
	"net/http"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/sonzaihook/sonzaihook"
)

// Many projects at one receiver: what a delivery costs must not depend on how many
// there are.

var (
	projectCounts = []int{1, 100, 10_000}
	projectSizes  = []size{sizes[0], sizes[1], sizes[3]}
)

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
	var columns [][]result
	for _, s := range projectSizes {
		b.say("projects, %s", s.label)
		results, err := b.plan.race(projectLanes(receivers, s))
		if err != nil {
			return err
		}
		columns = append(columns, results)
	}
	b.paper.title("Projects", "The body names one of so many projects, each with a secret for each type; the tenant has one for all types. × is how many times as long as with one project.")
	b.paper.projects(columns)
	b.paper.aims(projectAims(columns))
	return nil
}

// projectLanes are the accepted, the forged, and what one MAC takes.
func projectLanes(receivers []*projectReceiver, s size) []lane {
	var lanes []lane
	for _, kind := range []string{"accepted", "forged"} {
		for i, p := range receivers {
			name := kind + ", " + thousands(float64(projectCounts[i]))
			lanes = append(lanes, p.lane(name, s, kind == "forged"))
		}
	}
	mac := verifyLane(bareHMAC, newBody(s.bytes, sonzaiLayout))
	mac.name = "one MAC"
	return append(lanes, mac)
}

func (p *paper) projects(columns [][]result) {
	header := table.Row{"projects"}
	for _, s := range projectSizes {
		header = append(header, s.label, "×")
	}
	var rows []table.Row
	for i := range columns[0] {
		row := table.Row{columns[0][i].name}
		for _, results := range columns {
			row = append(row, duration(results[i].ns()), ratio(results[i].over(&results[i-i%len(projectCounts)])))
		}
		rows = append(rows, row)
	}
	p.table(header, rows)
}

func projectAims(columns [][]result) []aim {
	var aims []aim
	kinds := []string{"accepted", "forged"}
	for k, kind := range kinds {
		for i := 1; i < len(projectCounts); i++ {
			for column, s := range projectSizes {
				r := columns[column]
				what := fmt.Sprintf("%s, %s: %s projects ÷ 1", kind, s.label, thousands(float64(projectCounts[i])))
				first := k * len(projectCounts)
				aims = append(aims, newAim(what, atMost, r[first+i].over(&r[first]), 1.05, ratio))
			}
		}
	}
	// The project has one secret for the type and the tenant one for all, which are two
	// MACs; the rest is reading and looking for the type.
	large := columns[len(columns)-1]
	for i, n := range projectCounts {
		what := fmt.Sprintf("forged, 256 KB, with %s: in MACs", plural(n, "project"))
		aims = append(aims, shown(what, ratio(large[len(projectCounts)+i].over(&large[len(large)-1]))))
	}
	return aims
}
