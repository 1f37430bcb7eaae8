package main

import (
	"fmt"
	"go/constant"
	"go/types"
	"slices"
	"strings"
	"time"
)

// describe returns a line for each thing that the package exports, sorted. Names of
// parameters are left out, since nothing outside depends on them.
func describe(pkg *types.Package) []string {
	l := &lister{pkg: pkg}
	scope := pkg.Scope()
	for _, name := range scope.Names() {
		if object := scope.Lookup(name); object.Exported() {
			l.object(object)
		}
	}
	slices.Sort(l.lines)
	return slices.Compact(l.lines)
}

type lister struct {
	pkg   *types.Package
	lines []string
}

func (l *lister) add(format string, values ...any) {
	l.lines = append(l.lines, fmt.Sprintf(format, values...))
}

func (l *lister) object(object types.Object) {
	switch object := object.(type) {
	case *types.Const:
		l.add("const %s %s = %s", object.Name(), l.text(object.Type()), value(object))
	case *types.Var:
		l.add("var %s %s", object.Name(), l.text(object.Type()))
	case *types.Func:
		l.add("func %s%s", object.Name(), l.signature(object.Signature()))
	case *types.TypeName:
		l.typeName(object)
	}
}

// value returns the value of a constant, a time.Duration in the form 72h0m0s.
func value(c *types.Const) string {
	if nanoseconds, exact := constant.Int64Val(constant.ToInt(c.Val())); exact && c.Type().String() == "time.Duration" {
		return time.Duration(nanoseconds).String()
	}
	return c.Val().ExactString()
}

func (l *lister) typeName(name *types.TypeName) {
	if name.IsAlias() {
		l.add("type %s = %s", name.Name(), l.text(types.Unalias(name.Type())))
		return
	}
	named := name.Type().(*types.Named)
	head := "type " + name.Name() + l.typeParams(named.TypeParams())
	switch under := named.Underlying().(type) {
	case *types.Struct:
		l.structure(head, under)
	case *types.Interface:
		l.iface(head, under)
	default:
		l.add("%s %s", head, l.text(under))
	}
	l.methods(named)
}

// structure lists the exported fields. Whether there are others matters to those who
// write or compare values of it.
func (l *lister) structure(head string, s *types.Struct) {
	hidden := ""
	for field := range s.Fields() {
		switch {
		case !field.Exported():
			hidden = ", with unexported fields"
		case field.Embedded():
			l.add("%s struct, embedded %s", head, l.text(field.Type()))
		default:
			l.add("%s struct, %s %s", head, field.Name(), l.text(field.Type()))
		}
	}
	comparable := ""
	if !types.Comparable(s) {
		comparable = ", not comparable"
	}
	l.add("%s struct%s%s", head, hidden, comparable)
}

func (l *lister) iface(head string, i *types.Interface) {
	hidden := ""
	for method := range i.Methods() {
		if !method.Exported() {
			hidden = ", with unexported methods"
			continue
		}
		l.add("%s interface, %s%s", head, method.Name(), l.signature(method.Signature()))
	}
	if !i.IsMethodSet() {
		for embedded := range i.EmbeddedTypes() {
			l.add("%s interface, %s", head, l.text(embedded))
		}
	}
	l.add("%s interface%s", head, hidden)
}

// methods lists the methods of a type that is not an interface, those that it has
// by embedding included.
func (l *lister) methods(named *types.Named) {
	if types.IsInterface(named) {
		return
	}
	values := types.NewMethodSet(named)
	for selection := range types.NewMethodSet(types.NewPointer(named)).Methods() {
		method := selection.Obj()
		if !method.Exported() {
			continue
		}
		receiver := "*" + named.Obj().Name()
		if values.Lookup(method.Pkg(), method.Name()) != nil {
			receiver = named.Obj().Name()
		}
		l.add("method (%s) %s%s", receiver, method.Name(), l.signature(selection.Type().(*types.Signature)))
	}
}

// signature returns parameters and results, as in "[T any](int) error".
func (l *lister) signature(s *types.Signature) string {
	results := ""
	switch list := l.list(s.Results(), false); s.Results().Len() {
	case 0:
	case 1:
		results = " " + list
	default:
		results = " (" + list + ")"
	}
	return l.typeParams(s.TypeParams()) + "(" + l.list(s.Params(), s.Variadic()) + ")" + results
}

func (l *lister) list(values *types.Tuple, variadic bool) string {
	var all []string
	for value := range values.Variables() {
		all = append(all, l.text(value.Type()))
	}
	if variadic {
		last := &all[len(all)-1]
		*last = "..." + strings.TrimPrefix(*last, "[]")
	}
	return strings.Join(all, ", ")
}

func (l *lister) typeParams(list *types.TypeParamList) string {
	if list.Len() == 0 {
		return ""
	}
	var all []string
	for p := range list.TypeParams() {
		all = append(all, p.Obj().Name()+" "+l.text(p.Constraint()))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// text returns a type. Types of the package have no qualifier, others the name of
// their package.
func (l *lister) text(t types.Type) string {
	switch t := t.(type) {
	case *types.Signature:
		return "func" + l.signature(t)
	case *types.Pointer:
		return "*" + l.text(t.Elem())
	case *types.Slice:
		return "[]" + l.text(t.Elem())
	case *types.Map:
		return "map[" + l.text(t.Key()) + "]" + l.text(t.Elem())
	}
	return types.TypeString(t, func(pkg *types.Package) string {
		if pkg == l.pkg {
			return ""
		}
		return pkg.Name()
	})
}
