package sonzaihook

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// maxSecretFile bounds a file of secrets.
const maxSecretFile = 64 << 10

// SecretsFromDir reads a directory with one file for each registration, named like
// it, with a secret a line, the newest first: what the command line writes and what
// Kubernetes mounts. Empty lines are skipped, and so are directories and files whose
// name begins with a dot, such as Kubernetes's "..data"; a file named "*" or "any"
// is for every type. It returns an error that wraps [ErrInvalidSecret], and no
// secrets, if a file has none or one that [New] would refuse: a file may be half
// written.
func SecretsFromDir(dir fs.FS) (Secrets, error) {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, fmt.Errorf("sonzaihook: read secrets: %w", err)
	}
	secrets := Secrets{}
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		info, err := fs.Stat(dir, name) // follows links, which Kubernetes mounts
		if err != nil {
			return nil, fmt.Errorf("sonzaihook: read secrets: %w", err)
		}
		if info.IsDir() {
			continue
		}
		if info.Size() > maxSecretFile {
			return nil, fmt.Errorf("%w: %q has %d bytes, a file of secrets has at most %d", ErrInvalidSecret, name, info.Size(), maxSecretFile)
		}
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, fmt.Errorf("sonzaihook: read secrets: %w", err)
		}
		if err := secrets.add(registrationOf(name), lines(string(text))); err != nil {
			return nil, fmt.Errorf("file %q: %w", name, err)
		}
	}
	if len(secrets) == 0 {
		return nil, fmt.Errorf("%w: the directory has no file with secrets", ErrInvalidSecret)
	}
	return secrets, nil
}

func registrationOf(file string) EventType {
	if file == "any" {
		return AnyEvent
	}
	return EventType(file)
}

// SecretsFromEnv reads secrets from the environment: PREFIX_AGENT_MESSAGE has those
// of agent.message, and so on for each name of a documented type in upper case, with
// every other character as an underscore. Several secrets of one variable stand in
// lines or are separated by commas, the newest first. Variables of other names are
// not looked at, so that SONZAI_BASE_URL never becomes a secret. It returns an error
// that wraps [ErrInvalidSecret] if there is no such variable, or one that is empty
// or has a secret that [New] would refuse.
func SecretsFromEnv(prefix string) (Secrets, error) {
	secrets := Secrets{}
	names := map[string]EventType{}
	for name := range byName {
		names[prefix+"_"+variable(name)] = EventType(name)
	}
	for key, name := range names {
		value, set := os.LookupEnv(key)
		if !set {
			continue
		}
		if err := secrets.add(name, lines(strings.ReplaceAll(value, ",", "\n"))); err != nil {
			return nil, fmt.Errorf("variable %s: %w", key, err)
		}
	}
	if len(secrets) == 0 {
		return nil, fmt.Errorf("%w: no variable %s_… is set", ErrInvalidSecret, prefix)
	}
	return secrets, nil
}

// variable returns a name as a part of the name of an environment variable.
func variable(name string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(name))
}

// add adds the secrets of a registration, each once.
func (s Secrets) add(name EventType, secrets []string) error {
	for _, secret := range secrets {
		if !slices.Contains(s[name], secret) {
			s[name] = append(s[name], secret)
		}
	}
	_, err := Secrets{name: s[name]}.list()
	return err
}

// lines returns the lines of a text that are not blank, without the end of line.
func lines(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); strings.TrimSpace(line) != "" {
			all = append(all, line)
		}
	}
	return all
}
