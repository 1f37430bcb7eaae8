package signature

import (
	"cmp"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"
)

// Set is the secrets of a tenant or a project by the names of their registrations.
type Set[N ~string] = map[N][]string

// List returns a set in the form that a Ring takes, in the order of the names. typeOf
// returns the type that a name means.
func List[N ~string](set Set[N], typeOf func(N) string) ([]Secret, error) {
	if len(set) == 0 {
		return nil, fmt.Errorf("%w: there are no secrets", ErrInvalidSecret)
	}
	var all []Secret
	for name, secrets := range set {
		if err := checkAll(string(name), secrets); err != nil {
			return nil, err
		}
		for _, secret := range secrets {
			all = append(all, Secret{Name: string(name), Type: typeOf(name), Value: secret})
		}
	}
	slices.SortStableFunc(all, func(a, b Secret) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

func checkAll(name string, secrets []string) error {
	if name == "" || len(secrets) == 0 {
		return fmt.Errorf("%w: event type %q has none", ErrInvalidSecret, name)
	}
	for _, secret := range secrets {
		if err := CheckSecret(secret); err != nil {
			return fmt.Errorf("event type %q: %w", name, err)
		}
	}
	return nil
}

// maxFile bounds a file of secrets.
const maxFile = 64 << 10

// ReadDir reads a directory with one file for each registration, with the same name and
// one secret a line.
func ReadDir[N ~string](dir fs.FS) (Set[N], error) {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, fmt.Errorf("sonzaihook: read secrets: %w", err)
	}
	set := Set[N]{}
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		text, isFile, err := readFile(dir, name)
		if err != nil {
			return nil, err
		}
		if !isFile {
			continue
		}
		if err := add(set, registrationOf[N](name), lines(text)); err != nil {
			return nil, fmt.Errorf("file %q: %w", name, err)
		}
	}
	if len(set) == 0 {
		return nil, fmt.Errorf("%w: the directory has no file with secrets", ErrInvalidSecret)
	}
	return set, nil
}

func readFile(dir fs.FS, name string) (text string, isFile bool, err error) {
	info, err := fs.Stat(dir, name) // follows links, which Kubernetes mounts
	if err != nil {
		return "", false, fmt.Errorf("sonzaihook: read secrets: %w", err)
	}
	if info.IsDir() {
		return "", false, nil
	}
	if info.Size() > maxFile {
		return "", false, fmt.Errorf("%w: %q has %d bytes, a file of secrets has at most %d", ErrInvalidSecret, name, info.Size(), maxFile)
	}
	read, err := fs.ReadFile(dir, name)
	if err != nil {
		return "", false, fmt.Errorf("sonzaihook: read secrets: %w", err)
	}
	return string(read), true, nil
}

func registrationOf[N ~string](file string) N {
	if file == "any" {
		return Any
	}
	return N(file)
}

// ReadEnv reads the secrets of the named registrations from environment variables:
// PREFIX_AGENT_MESSAGE has those of agent.message, separated by line ends or commas.
func ReadEnv[N ~string](prefix string, names iter.Seq[string]) (Set[N], error) {
	set := Set[N]{}
	for name := range names {
		key := prefix + "_" + variable(name)
		value, isSet := os.LookupEnv(key)
		if !isSet {
			continue
		}
		if err := add(set, N(name), lines(strings.ReplaceAll(value, ",", "\n"))); err != nil {
			return nil, fmt.Errorf("variable %s: %w", key, err)
		}
	}
	if len(set) == 0 {
		return nil, fmt.Errorf("%w: no variable %s_… is set", ErrInvalidSecret, prefix)
	}
	return set, nil
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
func add[N ~string](set Set[N], name N, secrets []string) error {
	for _, secret := range secrets {
		if !slices.Contains(set[name], secret) {
			set[name] = append(set[name], secret)
		}
	}
	return checkAll(string(name), set[name])
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
