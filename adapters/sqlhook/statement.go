package sqlhook

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sonzaihook/sonzaihook/adapters/internal/sqlclaim"
)

// values are what a statement of a queue calls by name, as @name.
type values map[string]any

// list is a statement about several rows: the text of a row is repeated for each,
// with sep between them, and calls the values of its row @name.n.
type list struct{ head, row, sep, tail string }

func (l list) of(n int) string {
	var out strings.Builder
	out.WriteString(l.head)
	for i := range n {
		if i > 0 {
			out.WriteString(l.sep)
		}
		out.WriteString(strings.ReplaceAll(l.row, ".n", "."+strconv.Itoa(i)))
	}
	out.WriteString(l.tail)
	return out.String()
}

// statement is a text in the words of a database, and what stands at its
// placeholders.
type statement struct {
	text string
	args []argument
}

// argument is a value of a row, or of the whole statement, whose row is -1.
type argument struct {
	name string
	row  int
}

// statements remembers those that a queue has made, by the text or the list that
// they were made from. There are as many as rows fit into one.
type statements struct{ made sync.Map }

type listOf struct {
	list
	rows int
}

// bind returns the text of a statement and its arguments.
func (q *Queue) bind(text string, v values) (string, []any) {
	made, ok := q.statements.made.Load(text)
	if !ok {
		made = compile(q.store.dialect, text)
		q.statements.made.Store(text, made)
	}
	return q.fill(made.(*statement), v, nil)
}

// bindList is bind for a statement about n rows, whose values are asked for by name
// and row.
func (q *Queue) bindList(l list, n int, v values, of func(name string, row int) any) (string, []any) {
	key := listOf{l, n}
	made, ok := q.statements.made.Load(key)
	if !ok {
		made = compile(q.store.dialect, l.of(n))
		q.statements.made.Store(key, made)
	}
	return q.fill(made.(*statement), v, of)
}

// compile replaces {now} by the time, and each name by a placeholder: where they are
// numbered, a value that is named twice is sent once.
func compile(d Dialect, text string) *statement {
	text = strings.ReplaceAll(text, "{now}", sqlclaim.Now(d.String()))
	s := &statement{}
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, "@")
		out.WriteString(before)
		if !found {
			s.text = out.String()
			return s
		}
		end := nameEnds(after)
		out.WriteString(s.placeholder(d, argumentOf(after[:end])))
		text = after[end:]
	}
}

func nameEnds(text string) int {
	for i := range len(text) {
		if c := text[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' {
			return i
		}
	}
	return len(text)
}

func argumentOf(name string) argument {
	name, number, found := strings.Cut(name, ".")
	if !found {
		return argument{name, -1}
	}
	row, err := strconv.Atoi(number)
	if err != nil {
		panic("sqlhook: a statement of a queue names @" + name + "." + number)
	}
	return argument{name, row}
}

func (s *statement) placeholder(d Dialect, a argument) string {
	if d == Postgres {
		for i, known := range s.args {
			if known == a {
				return "$" + strconv.Itoa(i+1)
			}
		}
	}
	s.args = append(s.args, a)
	if d == Postgres {
		return "$" + strconv.Itoa(len(s.args))
	}
	return "?"
}

func (q *Queue) fill(s *statement, v values, of func(name string, row int) any) (string, []any) {
	args := make([]any, len(s.args))
	for i, a := range s.args {
		switch value := q.value(a, v, of).(type) {
		case time.Duration:
			args[i] = sqlclaim.Microseconds(value)
		default:
			args[i] = value
		}
	}
	return s.text, args
}

func (q *Queue) value(a argument, v values, of func(name string, row int) any) any {
	switch {
	case a.row >= 0:
		return of(a.name, a.row)
	case a.name == "namespace":
		return q.store.namespace
	case a.name == "queue":
		return q.name
	}
	value, ok := v[a.name]
	if !ok {
		panic("sqlhook: a statement of a queue has no value for @" + a.name)
	}
	return value
}
