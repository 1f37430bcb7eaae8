package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const suffix = ".txt"

// read returns the lines of each file of a listing, none if there is no such folder.
func read(dir string) (map[string][]string, error) {
	listed := map[string][]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != suffix {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		listed[filepath.ToSlash(name)] = strings.Split(strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")), "\n")
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return listed, nil
	}
	return listed, err
}

// update writes what is exported, and deletes the files of packages that are gone.
func update(dir string, listed, exported map[string][]string) error {
	for name, lines := range exported {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			return err
		}
	}
	for name := range listed {
		if _, ok := exported[name]; ok {
			continue
		}
		if err := os.Remove(filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			return err
		}
	}
	return nil
}
