package sonzaihook

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/sonzaihook/sonzaihook/internal/signature"
)

// Secrets holds the signing secrets by registration, because the platform creates a
// different secret for each registration (documented). The key is the name that
// was registered, "agent.wakeup" or "on_wakeup_ready"; several secrets of one
// registration are all valid, which is what a rotation needs.
//
// A delivery that a secret verified must be of the type that the name means, unless
// the secret is under [AnyEvent]. All secrets of a type are tried, so keep them few.
// Printing Secrets shows how many there are, never their values.
type Secrets map[EventType][]string

// Secret returns Secrets in which each of the given secrets is valid for every
// event type.
func Secret(s ...string) Secrets { return Secrets{AnyEvent: s} }

// Format prints the number of secrets, whatever the verb.
func (s Secrets) Format(f fmt.State, _ rune) {
	n := 0
	for _, secrets := range s {
		n += len(secrets)
	}
	_, _ = fmt.Fprintf(f, "sonzaihook.Secrets(%d secrets of %d event types)", n, len(s))
}

// LogValue logs the number of secrets.
func (s Secrets) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(s)) }

// MarshalText refuses, so that no encoder writes secrets out by accident.
func (s Secrets) MarshalText() ([]byte, error) {
	return nil, fmt.Errorf("%w: secrets are not marshaled", ErrInvalidSecret)
}

// manySecrets is how many secrets of one registration cause a warning.
const manySecrets = 8

// list returns the secrets in the form that the keyring takes, in the order of
// their names.
func (s Secrets) list() ([]signature.Secret, error) {
	if len(s) == 0 {
		return nil, fmt.Errorf("%w: there are no secrets", ErrInvalidSecret)
	}
	var all []signature.Secret
	for name, secrets := range s {
		if name == "" || len(secrets) == 0 {
			return nil, fmt.Errorf("%w: event type %q has none", ErrInvalidSecret, name)
		}
		for _, secret := range secrets {
			if err := signature.CheckSecret(secret); err != nil {
				return nil, fmt.Errorf("event type %q: %w", name, err)
			}
			all = append(all, secretOf(name, secret))
		}
	}
	slices.SortStableFunc(all, func(a, b signature.Secret) int {
		if a.Name < b.Name {
			return -1
		}
		if a.Name > b.Name {
			return 1
		}
		return 0
	})
	return all, nil
}

func secretOf(name EventType, value string) signature.Secret {
	return signature.Secret{Name: string(name), Type: string(canonical(name)), Value: value}
}

// maxSecretFile bounds a file of secrets.
const maxSecretFile = 64 << 10

// SecretsFromDir reads a directory with one file for each registration, with the same
// name and one secret per line, the newest first: what the command line writes and
// what Kubernetes mounts. Empty lines are skipped, and so are directories and files whose
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
// every other character as an underscore. Several secrets in one variable are
// separated by line ends or commas, the newest first. Other variables are ignored, so
// that SONZAI_BASE_URL never becomes a secret. It returns an error
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
