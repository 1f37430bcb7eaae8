package inspector

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// row is a delivery in the list, as the page gets it: text alone, made visible.
type row struct {
	Seq     uint64 `json:"seq"`
	Kind    string `json:"kind"`
	Tone    string `json:"tone"`
	Code    string `json:"code"`
	Status  string `json:"status"`
	Type    string `json:"type"`
	Claimed bool   `json:"claimed"` // the type stands in the body; no signature says so
	Agent   string `json:"agent"`
	Project string `json:"project"`
	Note    string `json:"note"`
	Took    string `json:"took"`
	Time    string `json:"time"`
	Stamp   string `json:"stamp"`
}

const longestName = 120

func (i *Inspector) row(r *record) row {
	out := row{
		Seq: r.seq, Kind: r.kind().String(), Tone: r.tone(), Code: r.code(), Status: "–",
		Type: plain(i.redact(r.typ()), longestName), Claimed: r.kind() == refused, Agent: plain(i.redact(r.read().agent), longestName),
		Note: r.note(), Took: span(r.took), Time: r.at.Format("15:04:05"), Stamp: r.at.UTC().Format(time.RFC3339Nano),
	}
	if r.status > 0 {
		out.Status = fmt.Sprint(r.status)
	}
	if r.out != nil {
		out.Project = plain(i.redact(r.out.project), longestName)
	}
	if out.Type == "" {
		out.Type = "no type"
	}
	return out
}

// code is the word for what became of a delivery.
func (r *record) code() string {
	switch {
	case r.status == 0 && (r.out == nil || r.out.sent):
		return "no answer"
	case r.out != nil && r.out.code != "":
		return plain(strings.ReplaceAll(r.out.code, "_", " "), 40)
	case r.out != nil:
		return "answered"
	}
	return "not received"
}

// tone is how the page colours it: good, quiet, wait, bad.
func (r *record) tone() string {
	if r.out == nil {
		return "bad"
	}
	return tone(r.out.code, r.out.status)
}

func tone(code string, status int) string {
	switch {
	case code == sonzaihook.CodeProcessed:
		return "good"
	case status == 0:
		return "bad"
	case status < 300:
		return "quiet"
	case status == http.StatusServiceUnavailable:
		return "wait"
	}
	return "bad"
}

// note says where a delivery came from if it did not simply arrive.
func (r *record) note() string {
	switch {
	case r.origin == replayed:
		return fmt.Sprintf("replay of #%d", r.of)
	case r.origin == sample:
		return "sample"
	case r.origin == sent:
		return "sent"
	case r.origin == dispatched && r.out != nil && r.out.source != "":
		return plain(r.out.source, 20)
	case r.out != nil && r.out.retiring:
		return "old secret"
	}
	return ""
}

// span writes a duration for people.
func span(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// listPage is the page with the list.
type listPage struct {
	frame
	Show   string // "", "handled" or "refused"
	After  string
	Rows   []row
	Counts map[string]int
	All    int
	Keep   int
	Hint   string
}

func (i *Inspector) list(w http.ResponseWriter, req *http.Request) {
	t := i.shelf.count()
	p := listPage{
		frame: i.frame("", "list"), Show: req.URL.Query().Get("show"), After: i.position(t.last), Keep: i.deliveries,
		Counts: map[string]int{"handled": t.n[handled], "refused": t.n[refused]}, All: t.n[handled] + t.n[refused],
	}
	if p.Show != "handled" && p.Show != "refused" {
		p.Show = ""
	}
	for _, r := range i.shelf.all() {
		if p.Show == "" || p.Show == r.kind().String() {
			p.Rows = append(p.Rows, i.row(r))
		}
	}
	i.render(w, http.StatusOK, "list", p)
}
