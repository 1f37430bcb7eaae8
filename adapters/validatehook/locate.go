package validatehook

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// place is where in a struct a rule was broken.
type place struct {
	name   string       // the path in the JSON
	parent reflect.Type // the struct that has the field; nil where unknown
}

// locate follows a path of Go field names ("Order.Items[0].Sku"), as the validator
// reports it, through the type at which it begins. What it cannot follow it leaves
// out, because the key of a map is data and may look like anything.
func locate(typ reflect.Type, namespace string) place {
	typ = dereference(typ)
	at, _ := follow(place{}, typ, strings.TrimPrefix(namespace, typ.Name()+"."))
	return at
}

// follow goes on from a place of the given type, nil where that is unknown, and
// reports whether it came to the end of the path.
func follow(at place, typ reflect.Type, rest string) (place, bool) {
	if rest == "" {
		return at, true
	}
	typ = dereference(typ)
	if rest[0] == '[' {
		return followIndex(at, typ, rest)
	}
	end := strings.IndexAny(rest, ".[")
	if end < 0 {
		end = len(rest)
	}
	step, next, known := field(typ, rest[:end])
	if !known && typ != nil && end < len(rest) {
		return at, false
	}
	if step != "" && at.name != "" {
		step = "." + step
	}
	return follow(place{name: at.name + step, parent: typ}, next, strings.TrimPrefix(rest[end:], "."))
}

// followIndex goes on into a slice, an array or a map. The key of a map may have
// brackets in it, so the index ends at the first one behind which the path leads on.
func followIndex(at place, typ reflect.Type, rest string) (place, bool) {
	if typ != nil && element(typ) == nil {
		return at, false
	}
	for i := 1; i < len(rest); i++ {
		if rest[i] != ']' {
			continue
		}
		inner := place{name: at.name + "[*]"}
		if _, err := strconv.Atoi(rest[1:i]); err == nil && (typ == nil || typ.Kind() != reflect.Map) {
			inner.name = at.name + rest[:i+1]
		} else if typ == nil {
			return inner, true
		}
		if found, ok := follow(inner, element(typ), strings.TrimPrefix(rest[i+1:], ".")); ok {
			return found, true
		}
	}
	return place{name: at.name + "[*]"}, false
}

func dereference(typ reflect.Type) reflect.Type {
	for typ != nil && typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	return typ
}

// element returns what a slice, an array or a map holds.
func element(typ reflect.Type) reflect.Type {
	if typ == nil {
		return nil
	}
	switch typ.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map:
		return typ.Elem()
	default:
		return nil
	}
}

// field returns the name in the JSON and the type of a field, and whether there is
// one. The name is empty where the fields of the field stand in its stead: it is
// embedded. A field that is unknown, or not in the JSON, keeps its Go name.
func field(typ reflect.Type, goName string) (name string, next reflect.Type, known bool) {
	if typ == nil || typ.Kind() != reflect.Struct {
		return goName, nil, false
	}
	f, ok := typ.FieldByName(goName)
	if !ok {
		return goName, nil, false
	}
	tag := f.Tag.Get("json")
	name, options, _ := strings.Cut(tag, ",")
	switch {
	case tag == "-":
		return goName, f.Type, true
	case name != "":
		return name, f.Type, true
	case f.Anonymous || hasOption(options, "embed") || hasOption(options, "inline"):
		return "", f.Type, true
	}
	return goName, f.Type, true
}

func hasOption(options, want string) bool {
	return slices.Contains(strings.Split(options, ","), want)
}
