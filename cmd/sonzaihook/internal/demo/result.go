package demo

import (
	"time"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
)

// result is the outcome of the whole scenario.
type result struct {
	url      string
	rows     []row
	duration time.Duration
}

func (r *result) unexpected() int {
	n := 0
	for _, row := range r.rows {
		if !row.OK {
			n++
		}
	}
	return n
}

// summary is the last line of --json.
type summary struct {
	Steps      int            `json:"steps"`
	Outcomes   map[string]int `json:"outcomes"`
	Unexpected int            `json:"unexpected"`
	DurationMS float64        `json:"duration_ms"`
}

func (r *result) summary() summary {
	s := summary{
		Steps:      len(r.rows),
		Outcomes:   map[string]int{},
		Unexpected: r.unexpected(),
		DurationMS: console.InMS(r.duration),
	}
	for _, row := range r.rows {
		s.Outcomes[row.Outcome]++
	}
	return s
}

// writeJSON writes one JSON object a line.
func writeJSON(c *console.Console, r result) error {
	for _, row := range r.rows {
		if err := c.WriteJSON(row); err != nil {
			return err
		}
	}
	return c.WriteJSON(struct {
		Summary summary `json:"summary"`
	}{r.summary()})
}
