package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/importer"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
)

// listedPackage is what go list says of a package.
type listedPackage struct {
	ImportPath, Name, Export string

	DepOnly  bool
	Standard bool
	Module   *struct{ Path string }
}

// load returns the lines of each public package of a module by the name of its file.
// It reads the compiler's export data rather than the source: that is what users
// compile against, and it needs no other modules.
func load(dir string) (map[string][]string, error) {
	packages, err := list(dir)
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	for _, p := range packages {
		exports[p.ImportPath] = p.Export
	}
	from := importer.ForCompiler(token.NewFileSet(), "gc", func(name string) (io.ReadCloser, error) {
		if exports[name] == "" {
			return nil, fmt.Errorf("no export data for %s", name)
		}
		return os.Open(exports[name])
	})
	lines := map[string][]string{}
	for _, p := range packages {
		if !p.public() {
			continue
		}
		pkg, err := from.Import(p.ImportPath)
		if err != nil {
			return nil, err
		}
		if of := describe(pkg); len(of) > 0 {
			lines[p.file()] = of
		}
	}
	if len(lines) == 0 {
		return nil, errors.New("the module exports nothing")
	}
	return lines, nil
}

func list(dir string) ([]listedPackage, error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Name,Export,DepOnly,Standard,Module", "./...")
	cmd.Dir = dir
	var failed bytes.Buffer
	cmd.Stderr = &failed
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, failed.String())
	}
	var all []listedPackage
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listedPackage
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
}

// public reports whether code outside the module can import the package. One that has
// only tests has no export data.
func (p listedPackage) public() bool {
	return p.Export != "" && !p.DepOnly && !p.Standard && p.Name != "main" && !slices.Contains(strings.Split(p.ImportPath, "/"), "internal")
}

// file returns the name of the package's file: adapters/sqlhook.txt, and for the
// root the last element of the module's path.
func (p listedPackage) file() string {
	below, _ := strings.CutPrefix(p.ImportPath, p.Module.Path)
	if below == "" {
		return path.Base(p.Module.Path) + suffix
	}
	return strings.TrimPrefix(below, "/") + suffix
}
