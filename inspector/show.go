package inspector

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// showPage is the page of one delivery.
type showPage struct {
	frame
	Row     row
	Meaning meaning
	Error   []chunk
	Facts   []fact
	Verdict verdict
	Event   *readable
	Tree    *node
	NotJSON string
	Misfit  [][]chunk
	Struct  []chunk // the user's own that does not fit, where it is that
	Raw     []chunk
	Size    string
	Partial bool
	Headers []shownField
	Answer  []chunk
	Request []chunk
	Copies  []copyRow
	Queue   *queued
	Proven  bool // else the copies are those with the same bytes
	Replay  string
	Newer   uint64
	Older   uint64
}

type shownField struct {
	Name, Value []chunk
	Masked      string
}

type copyRow struct {
	row
	Number int
	Here   bool
}

const (
	longestRaw   = 64 << 10
	longestValue = 2 << 10
)

func (i *Inspector) show(w http.ResponseWriter, req *http.Request) {
	r := i.wanted(w, req)
	if r == nil {
		return
	}
	p := showPage{
		frame: i.frame("../", ""), Row: i.row(r), Meaning: r.meaning(), Verdict: i.explain(r),
		Raw: chunks(i.redact(string(r.body)), longestRaw, true), Size: size(len(r.body)), Partial: !r.whole && r.length != 0,
		Headers: i.headers(r), Answer: chunks(i.redact(string(r.answer)), longestAnswer, true), Facts: i.about(r),
	}
	p.Title = fmt.Sprintf("%s #%d", p.Row.Type, r.seq)
	if r.method != "" {
		p.Request = chunks(i.redact(r.method+" "+r.path), longestPath, false)
	}
	if r.out != nil {
		p.Error = chunks(i.redact(r.out.message), longestMessage, true)
	}
	p.content(r, []byte(i.redact(string(r.body))))
	p.Copies, p.Proven = i.copies(r)
	p.Queue = i.place(req.Context(), r, p.Copies)
	p.unfit(req.Context(), i, r)
	p.Replay = i.unplayable(r)
	p.Newer, p.Older = i.beside(r)
	i.render(w, http.StatusOK, "show", p)
}

// content reads the body, if it was kept.
func (p *showPage) content(r *record, body []byte) {
	if len(body) == 0 && r.origin == dispatched {
		p.NotJSON = "The bytes of what did not come as a request are not captured."
		return
	}
	root, err := parse(body)
	if root != nil {
		left := room(wholeRoom)
		t := left.tree(root, 0)
		p.Tree = &t
		p.Event = tell(root, r.typ())
	}
	if err != nil {
		p.NotJSON = notJSON(body, err)
	}
}

// unfit names the fields that did not fit.
func (p *showPage) unfit(ctx context.Context, i *Inspector, r *record) {
	names := i.misfit(ctx, r)
	if r.out != nil {
		if own, fields, ok := r.out.refusal(); ok {
			p.Struct, names = chunks(i.redact(own), longestName, false), fields
		}
	}
	for _, name := range names {
		p.Misfit = append(p.Misfit, chunks(i.redact(name), longestName, false))
	}
}

// wanted returns the delivery that a path names, or answers that it is not there.
func (i *Inspector) wanted(w http.ResponseWriter, req *http.Request) *record {
	seq, err := strconv.ParseUint(req.PathValue("id"), 10, 64)
	if err == nil {
		if r := i.shelf.get(seq); r != nil {
			return r
		}
	}
	i.missing(w, "../", "This delivery is not kept any more. The newest "+strconv.Itoa(i.deliveries)+" are.")
	return nil
}

// about is what is known of a delivery besides its content.
func (i *Inspector) about(r *record) []fact {
	var facts []fact
	add := func(label, text string) {
		if text != "" {
			facts = append(facts, fact{[]chunk{{Text: label}}, [][]chunk{chunks(i.redact(text), 512, false)}})
		}
	}
	add("Seen", r.at.Format("2006-01-02 15:04:05.000 MST"))
	add("Took", span(r.took))
	if o := r.out; o != nil {
		add("Identity", o.id)
		add("Project", o.project)
		add("Came by", o.source)
		if !o.signedAt.IsZero() {
			add("Signed", o.signedAt.UTC().Format("2006-01-02 15:04:05 MST"))
			if skew := r.at.Sub(o.signedAt).Round(time.Second); skew < 0 {
				add("Clock", fmt.Sprintf("the signature is %v ahead of this clock", -skew))
			} else if skew > time.Minute {
				add("Clock", fmt.Sprintf("the signature was %v old", skew))
			}
		}
		if o.retryAfter > 0 {
			add("Retry-After", fmt.Sprintf("%d s", (o.retryAfter+time.Second-1)/time.Second))
		}
	}
	if r.of > 0 {
		add("Replay of", fmt.Sprintf("#%d", r.of))
	}
	return facts
}

// copies are the deliveries of the same event, oldest first: those with the same
// identity, and those whose identity is not proven and which have the same bytes.
func (i *Inspector) copies(r *record) (list []copyRow, proven bool) {
	proven = r.out != nil && r.out.id != ""
	all := i.shelf.all()
	slices.Reverse(all)
	for _, other := range all {
		if other.seq != r.seq && !same(r, other, proven) {
			continue
		}
		list = append(list, copyRow{row: i.row(other), Number: len(list) + 1, Here: other.seq == r.seq})
	}
	return list, proven
}

func same(a, b *record, proven bool) bool {
	if proven && b.out != nil && b.out.id != "" {
		return a.out.id == b.out.id
	}
	return a.whole && b.whole && len(a.body) > 0 && string(a.body) == string(b.body)
}

func (i *Inspector) beside(r *record) (newer, older uint64) {
	all := i.shelf.all()
	at := slices.IndexFunc(all, func(o *record) bool { return o.seq == r.seq })
	if at > 0 {
		newer = all[at-1].seq
	}
	if at >= 0 && at+1 < len(all) {
		older = all[at+1].seq
	}
	return newer, older
}

// headers are the lines of the header, by name. Credentials are masked.
func (i *Inspector) headers(r *record) []shownField {
	var out []shownField
	for _, value := range r.signature {
		out = append(out, shownField{
			Name: []chunk{{Text: sonzaihook.SignatureHeader}}, Masked: maskedSignature(value),
		})
	}
	for _, f := range r.header {
		field := shownField{Name: chunks(f.name, longestName, false)}
		switch n := cmp.Or(f.hidden, len(f.value)); {
		case f.hidden > 0 || isCredential(f.name) || looksSigned.MatchString(f.value):
			field.Masked = "hidden, " + size(n)
		default:
			field.Value = chunks(i.redact(f.value), longestValue, false)
		}
		out = append(out, field)
	}
	slices.SortStableFunc(out, func(a, b shownField) int { return cmp.Compare(a.Name[0].Text, b.Name[0].Text) })
	return out
}

var (
	looksSigned   = regexp.MustCompile(`(?i)[0-9a-f]{64}|\bbearer |whsec_`)
	signatureTime = regexp.MustCompile(`^t=[0-9]{1,19}$`)
)

// maskedSignature shows the time of a signature, and how many there are.
func maskedSignature(value string) string {
	var shown []string
	for i, element := range strings.Split(value, ",") {
		element = strings.TrimLeft(element, " ")
		name, rest, _ := strings.Cut(element, "=")
		switch {
		case i == 16:
			return strings.Join(append(shown, "…"), ",")
		case signatureTime.MatchString(element):
			shown = append(shown, element)
		case name == "v1":
			shown = append(shown, fmt.Sprintf("v1=•••• (%d characters)", len(rest)))
		default:
			shown = append(shown, fmt.Sprintf("•••• (%d characters)", len(element)))
		}
	}
	return strings.Join(shown, ",")
}

// isCredential reports whether a header may carry a credential.
func isCredential(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"auth", "cookie", "token", "secret", "signature", "key", "password", "credential", "session", "jwt", "assertion"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// body serves the bytes of a delivery as they arrived, to be saved.
func (i *Inspector) body(w http.ResponseWriter, req *http.Request) {
	r := i.wanted(w, req)
	if r == nil {
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="delivery-%d.json"`, r.seq))
	w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
	_, _ = w.Write(r.body) // a client that is gone cannot be told so
}
