package inspector

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/testdata"
)

// sendPage is the form with which a sample is changed and sent.
type sendPage struct {
	frame
	Type    string
	Types   []sonzaihook.EventType
	Inner   []input // the event's own fields
	Fields  []input // those around it
	Flaws   []flaw
	Problem string
	Wrong   string // the field that the problem is with
}

// input is one field of the form.
type input struct {
	Path, Label, Value, Shape string // text, long, number, truth, json
}

// group is a part of the form.
type group struct {
	Legend string
	Fields []input
	Wrong  string
}

func newGroup(legend string, fields []input, wrong string) group { return group{legend, fields, wrong} }

// fill puts the fields of a body into the form.
func (p *sendPage) fill(fields []input) {
	for _, in := range fields {
		if strings.Contains(in.Path, ".") {
			p.Inner = append(p.Inner, in)
		} else {
			p.Fields = append(p.Fields, in)
		}
	}
}

// flaw is a way to send a sample that a receiver refuses.
type flaw struct{ Name, Label string }

var flaws = []flaw{
	{"", "as the platform signs"},
	{"tampered", "changed after it was signed"},
	{"stale", "signed an hour ago"},
	{"foreign", "signed with another secret"},
	{"unsigned", "without a signature"},
}

const formPrefix = "field."

func (i *Inspector) compose(w http.ResponseWriter, req *http.Request) {
	p, body, err := i.sendPage(req.URL.Query().Get("type"))
	if err != nil {
		i.missing(w, "", "There is no sample of this type.")
		return
	}
	p.unsigned(i, body)
	p.fill(inputs(fresh(body, i.time()), ""))
	i.render(w, http.StatusOK, "send", p)
}

func (i *Inspector) sendPage(typ string) (sendPage, *value, error) {
	p := sendPage{frame: i.frame("", "send"), Type: typ, Types: sonzaihook.EventTypes(), Flaws: flaws}
	if typ == "" {
		p.Type = string(p.Types[0])
	}
	data, err := testdata.Files.ReadFile(p.Type + ".json")
	if err != nil || !contains(p.Types, p.Type) {
		return p, nil, errors.New("no such sample")
	}
	if i.emit != nil {
		p.Flaws = nil
	} else if i.target.Load() == nil {
		p.Problem = "No handler is captured, so there is nowhere to send it: wrap the receiver with Capture."
	}
	body, err := parse(data)
	return p, body, err
}

// unsigned says that there is nothing to sign a sample with, if so.
func (p *sendPage) unsigned(i *Inspector, body *value) {
	if _, ok := i.signer(body.member("project_id").text(), p.Type); !ok && i.emit == nil && p.Problem == "" {
		p.Problem = "The inspector has no secret for this type to sign with: make it with WithSecrets."
	}
}

func contains(types []sonzaihook.EventType, name string) bool {
	for _, t := range types {
		if string(t) == name {
			return true
		}
	}
	return false
}

// fresh makes another event of a sample: an id that no event had, and the time.
func fresh(body *value, now time.Time) *value {
	for i := range body.members {
		switch m := &body.members[i]; m.name {
		case "event_id":
			m.raw = quote("evt_" + strings.ToLower(rand.Text())[:16])
		case "created_at", "timestamp":
			m.raw = quote(now.UTC().Format(time.RFC3339))
		case "data":
			fresh(m, now)
		}
	}
	return body
}

func quote(s string) json.RawMessage {
	raw, err := json.Marshal(s)
	if err != nil {
		return json.RawMessage(`""`) // every string can be encoded
	}
	return raw
}

// inputs are the fields of a body that can be changed.
func inputs(v *value, prefix string) []input {
	var list []input
	for i := range v.members {
		m := &v.members[i]
		path := prefix + m.name
		in := input{Path: path, Label: label(m.name), Value: m.text()}
		switch m.kind() {
		case '{':
			list = append(list, inputs(m, path+".")...)
			continue
		case '[':
			in.Shape, in.Value = "json", compact(m.raw)
		case '"':
			in.Shape = "text"
			if len(in.Value) > 48 {
				in.Shape = "long"
			}
		case 't':
			in.Shape = "truth"
		default:
			in.Shape = "number"
		}
		if path != "event_type" {
			list = append(list, in)
		}
	}
	return list
}

func compact(raw []byte) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}

// fieldError says which field of a form is wrong.
type fieldError struct{ path, what string }

func (e *fieldError) Error() string { return e.what }

// change writes the values of a form into a body.
func change(v *value, prefix string, form url.Values) error {
	for i := range v.members {
		m := &v.members[i]
		path := prefix + m.name
		if m.kind() == '{' {
			if err := change(m, path+".", form); err != nil {
				return err
			}
			continue
		}
		if !form.Has(formPrefix + path) {
			continue
		}
		entered := form.Get(formPrefix + path)
		raw := json.RawMessage(strings.TrimSpace(entered))
		switch kind := m.kind(); {
		case kind == '"':
			raw = quote(strings.ReplaceAll(entered, "\r\n", "\n")) // as forms end lines
		case !json.Valid(raw):
			return &fieldError{path, "is not JSON"}
		case kind == '0' && (&value{raw: raw}).kind() != '0':
			return &fieldError{path, "is not a number"}
		}
		m.raw, m.members = raw, nil
	}
	return nil
}

// write appends a body as it is sent.
func (v *value) write(b *bytes.Buffer) {
	if v.kind() != '{' || len(v.members) == 0 {
		b.Write(v.raw)
		return
	}
	b.WriteByte('{')
	for i := range v.members {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(quote(v.members[i].name))
		b.WriteByte(':')
		v.members[i].write(b)
	}
	b.WriteByte('}')
}

func (i *Inspector) send(w http.ResponseWriter, req *http.Request) {
	p, body, err := i.sendPage(req.PostFormValue("type"))
	if err != nil {
		i.missing(w, "", "There is no sample of this type.")
		return
	}
	changed := change(body, "", req.PostForm)
	if p.unsigned(i, body); p.Problem != "" {
		p.fill(inputs(body, ""))
		i.render(w, http.StatusConflict, "send", p)
		return
	}
	if err := changed; err != nil {
		p.fill(entered(inputs(body, ""), req.PostForm))
		p.Problem = err.Error()
		var wrong *fieldError
		if errors.As(err, &wrong) {
			p.Problem, p.Wrong = label(wrong.path[strings.LastIndexByte(wrong.path, '.')+1:])+" "+wrong.what+".", wrong.path
		}
		i.render(w, http.StatusUnprocessableEntity, "send", p)
		return
	}
	var text bytes.Buffer
	body.write(&text)
	if i.emit != nil {
		if err := i.emit(req.Context(), text.Bytes()); err != nil {
			p.fill(entered(inputs(body, ""), req.PostForm))
			p.Problem = plain(err.Error(), longestMessage)
			i.render(w, http.StatusUnprocessableEntity, "send", p)
			return
		}
		w.Header().Set("Location", "./")
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	seq := i.deliver(req.Context(), p.Type, text.Bytes(), req.PostFormValue("flaw"))
	w.Header().Set("Location", fmt.Sprintf("deliveries/%d", seq))
	w.WriteHeader(http.StatusSeeOther)
}

// entered keeps what was typed where it cannot be sent.
func entered(fields []input, form url.Values) []input {
	for i := range fields {
		if name := formPrefix + fields[i].Path; form.Has(name) {
			fields[i].Value = form.Get(name)
		}
	}
	return fields
}
