package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// placesHelp goes into the help of flags that have places.
const placesHelp = eventPlace + " in it stands for the event type, " + projectPlace + " for the project"

const secretFileHelp = "write the new signing secret to this `file` (mode 0600) instead of printing it; " +
	placesHelp

// secretFiles is where new signing secrets go: a file for each event type of a
// project.
type secretFiles struct{ pattern, project string }

// of returns where the secrets of a project go.
func (f secretFiles) of(project string) secretFiles { return secretFiles{f.pattern, project} }

// name returns the name of the file of an event type, empty where there is none.
func (f secretFiles) name(eventType string) (string, error) {
	return place{f.project, eventType}.file(f.pattern)
}

// check refuses names under which the secrets of several types would overwrite each
// other, and types that cannot stand in the name of a file.
func (f secretFiles) check(types []string) error {
	for _, t := range types {
		if _, err := f.name(t); err != nil {
			return fmt.Errorf("--secret-file: %w", err)
		}
	}
	if f.pattern != "" && len(types) > 1 && !strings.Contains(f.pattern, eventPlace) {
		return errors.New("--secret-file: each event type has its own secret, so the name needs " + eventPlace + ", as in secrets/" + eventPlace)
	}
	return nil
}

// secretFile is a file that is ready to take a secret. The secret is written to a
// temporary file first, so that the one before it is never lost.
type secretFile struct {
	name string
	temp *os.File
}

// open makes sure that a secret can be written before the platform is asked for
// one that it never shows again. It returns nil where there is no file.
func (f secretFiles) open(eventType string) (*secretFile, error) {
	name, err := f.name(eventType)
	if err != nil {
		return nil, fmt.Errorf("--secret-file: %w", err)
	}
	if name == "" {
		return nil, nil
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("--secret-file: %s is not a file", name)
	}
	if strings.Contains(filepath.Dir(f.pattern), projectPlace) {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return nil, fmt.Errorf("--secret-file: %w", err)
		}
	}
	temp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // mode 0600
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("--secret-file: cannot write to %s: %w", name, failed.Err)
	}
	if err != nil {
		return nil, fmt.Errorf("--secret-file: %w", err)
	}
	return &secretFile{name, temp}, nil
}

// put writes the secret.
func (f *secretFile) put(secret sonzaiapi.Secret) error {
	_, err := f.temp.WriteString(string(secret) + "\n")
	if err = errors.Join(err, f.temp.Sync(), f.temp.Close()); err != nil {
		return err
	}
	return os.Rename(f.temp.Name(), f.name)
}

// discard removes the temporary file. After put it does nothing.
func (f *secretFile) discard() {
	if f == nil {
		return
	}
	_ = f.temp.Close()
	_ = os.Remove(f.temp.Name())
}

// secretGiven is a new signing secret on its way to the owner: in a file, or else
// in the output, which is the only place where it is ever printed.
type secretGiven struct {
	Secret string `json:"signing_secret,omitempty"`
	File   string `json:"secret_file,omitempty"`
}

func (g secretGiven) new() bool { return g != secretGiven{} }

// lines say where the secret is.
func (g secretGiven) lines() []line {
	if g.File != "" {
		return []line{{console.Faint("  its secret is in "), console.Plain(g.File)}}
	}
	return []line{
		{console.Strong("  " + g.Secret)},
		{console.Faint("  the signing secret, shown this once: keep it now")},
	}
}

// save writes a secret to the file of its event type.
func (f secretFiles) save(eventType string, secret sonzaiapi.Secret) error {
	file, err := f.open(eventType)
	if err != nil {
		return err
	}
	defer file.discard()
	return file.put(secret)
}

// receive asks the platform for a secret and writes it to its file. A secret that
// cannot be written is returned to be printed: the platform shows it only once.
func (f secretFiles) receive(eventType string, ask func() (sonzaiapi.Secret, error)) (secretGiven, error) {
	file, err := f.open(eventType)
	if err != nil {
		return secretGiven{}, err
	}
	defer file.discard()
	secret, err := ask()
	switch {
	case err != nil, secret == "":
		return secretGiven{}, err
	case file == nil, file.put(secret) != nil:
		return secretGiven{Secret: string(secret)}, nil
	}
	return secretGiven{File: file.name}, nil
}
