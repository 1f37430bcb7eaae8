// Command apilist keeps a listing of what the module exports, a file for each public
// package in the folder api. Without a flag it compares the listing with the code and
// prints the differences; with -write it rewrites the listing. So a change to what is
// exported shows in a diff and is made on purpose.
//
//	go run ./internal/apilist [-write]
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	write := flag.Bool("write", false, "write the listing anew")
	flag.Parse()
	same, err := run(".", "api", *write, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "apilist:", err)
		os.Exit(2)
	}
	if !same {
		os.Exit(1)
	}
}

// run compares the listing in a folder with the packages of the module in another,
// or writes it. It reports whether the listing agrees.
func run(module, listing string, write bool, out io.Writer) (bool, error) {
	exported, err := load(module)
	if err != nil {
		return false, err
	}
	listed, err := read(filepath.Join(module, listing))
	if err != nil {
		return false, err
	}
	if write {
		return true, update(filepath.Join(module, listing), listed, exported)
	}
	added, removed := compare(out, listed, exported)
	if added+removed == 0 {
		return true, nil
	}
	_, err = fmt.Fprintf(out, "\n%d lines of what is exported are not in %s, and %d that are there are not exported.\n"+
		"A line that is gone or changed breaks those who use it. If it is meant, \"make api\" writes the listing anew.\n", added, listing, removed)
	return false, err
}

// compare prints the lines that only one of them has, package by package.
func compare(out io.Writer, listed, exported map[string][]string) (added, removed int) {
	for _, file := range files(listed, exported) {
		gone, come := without(listed[file], exported[file]), without(exported[file], listed[file])
		if len(gone)+len(come) == 0 {
			continue
		}
		_, _ = fmt.Fprintln(out, strings.TrimSuffix(file, suffix))
		for _, line := range gone {
			_, _ = fmt.Fprintln(out, "  -", line)
		}
		for _, line := range come {
			_, _ = fmt.Fprintln(out, "  +", line)
		}
		added, removed = added+len(come), removed+len(gone)
	}
	return added, removed
}

func files(listings ...map[string][]string) []string {
	var all []string
	for _, listing := range listings {
		for file := range listing {
			all = append(all, file)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// without returns the lines that are not among others.
func without(lines, others []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return slices.Contains(others, line) })
}
