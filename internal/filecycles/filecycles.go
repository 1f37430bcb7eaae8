// Package filecycles finds files of a package that use each other in a circle:
// files that can only be understood together.
package filecycles

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// Of returns the circles among the files of the package in a directory, without its
// tests, the largest first. A circle has at least two files, each of which uses
// all the others, directly or by way of files of the circle. A file uses another
// if it mentions anything that is declared there: a function, a type, a method, a
// field, a constant or a variable.
//
// The package must compile. Of runs the go command.
func Of(dir string) ([][]string, error) {
	listed, err := list(dir)
	if err != nil {
		return nil, err
	}
	uses, err := usesOf(listed)
	if err != nil {
		return nil, fmt.Errorf("filecycles: %s: %w", dir, err)
	}
	return circles(uses), nil
}

// listing is what the go command says of a package.
type listing struct {
	ImportPath string
	Dir        string
	Export     string // the file with its compiled declarations
	GoFiles    []string
	exports    map[string]string // of what it imports, by import path
}

func list(dir string) (listing, error) {
	command := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles", ".")
	command.Dir = dir
	var problem bytes.Buffer
	command.Stderr = &problem
	out, err := command.Output()
	if err != nil {
		return listing{}, fmt.Errorf("filecycles: go list in %s: %w: %s", dir, err, bytes.TrimSpace(problem.Bytes()))
	}
	var last listing // dependencies come first
	exports := map[string]string{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listing
		switch err := decoder.Decode(&l); {
		case errors.Is(err, io.EOF):
			last.exports = exports
			return last, nil
		case err != nil:
			return listing{}, fmt.Errorf("filecycles: go list: %w", err)
		}
		last, exports[l.ImportPath] = l, l.Export
	}
}

// usesOf returns for each file of a package the files that it uses.
func usesOf(l listing) (map[string][]string, error) {
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range l.GoFiles {
		file, err := parser.ParseFile(fset, filepath.Join(l.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(l.exports[path])
	})}
	info := types.Info{Uses: map[*ast.Ident]types.Object{}}
	pkg, err := config.Check(l.ImportPath, fset, files, &info)
	if err != nil {
		return nil, err
	}
	uses := map[string][]string{}
	fileOf := func(at token.Pos) string { return filepath.Base(fset.Position(at).Filename) }
	for _, name := range l.GoFiles {
		uses[name] = nil
	}
	for ident, object := range info.Uses {
		if object.Pkg() != pkg || !object.Pos().IsValid() {
			continue
		}
		user, used := fileOf(ident.Pos()), fileOf(object.Pos())
		if user != used && !slices.Contains(uses[user], used) {
			uses[user] = append(uses[user], used)
		}
	}
	return uses, nil
}

// circles returns the sets of files that reach each other, the largest first.
func circles(uses map[string][]string) [][]string {
	reached := map[string]map[string]bool{}
	for file := range uses {
		reached[file] = reach(uses, file)
	}
	var all [][]string
	placed := map[string]bool{}
	for file := range uses {
		if placed[file] || !reached[file][file] {
			continue
		}
		var circle []string
		for other := range reached[file] {
			if reached[other][file] {
				circle, placed[other] = append(circle, other), true
			}
		}
		slices.Sort(circle)
		all = append(all, circle)
	}
	slices.SortFunc(all, func(a, b []string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return slices.Compare(a, b)
	})
	return all
}

// reach returns the files that a file uses, and those that they use, and so on.
func reach(uses map[string][]string, file string) map[string]bool {
	reached := map[string]bool{}
	waiting := slices.Clone(uses[file])
	for len(waiting) > 0 {
		next := waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		if !reached[next] {
			reached[next] = true
			waiting = append(waiting, uses[next]...)
		}
	}
	return reached
}
