package inspector

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// node is a value of the tree that the page shows.
type node struct {
	Name     []chunk
	Kind     string // object, array, string, number, word
	Text     []chunk
	Note     string // what there is besides
	Children []node
	Open     bool
}

const openDepth = 3

// tree returns a value as it is shown, within the room that is left.
func (r *room) tree(v *value, depth int) node {
	n := node{Name: chunks(v.name, longestName, false), Open: depth < openDepth}
	switch v.kind() {
	case '{', '[':
		n.Kind = map[byte]string{'{': "object", '[': "array"}[v.kind()]
		for i := range v.members {
			child := r.tree(&v.members[i], depth+1)
			if n.Kind == "array" {
				child.Name = []chunk{{Text: fmt.Sprint(i)}}
			}
			n.Children = append(n.Children, child)
		}
		n.Note = counted(len(v.members)+v.more, map[string]string{"object": "field", "array": "element"}[n.Kind])
		switch {
		case v.deep:
			n.Note = "deeper than is shown here"
		case v.more > 0:
			n.Note += fmt.Sprintf(", %d not shown", v.more)
		}
	case '"':
		n.Kind, n.Text = "string", r.chunks(v.text(), false)
	case '0':
		n.Kind, n.Text = "number", chunks(string(v.raw), longestName, false)
	default:
		n.Kind, n.Text = "word", chunks(string(v.raw), longestName, false)
	}
	return n
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// notJSON says why a body is not one JSON value.
func notJSON(body []byte, err error) string {
	var syntax *json.SyntaxError
	switch {
	case len(body) == 0:
		return "The body is empty."
	case errors.Is(err, errTrailing):
		return "Something follows the JSON value. A receiver refuses that."
	case errors.As(err, &syntax) && syntax.Offset < int64(len(body)):
		return fmt.Sprintf("This is not JSON: at byte %d, %s.", syntax.Offset, plain(syntax.Error(), longestName))
	case !utf8.Valid(body):
		return "This is not JSON, and not UTF-8 either."
	}
	return "This is not JSON: it ends before the value does."
}
