package sonzaihook

import (
	"fmt"
	"io/fs"
	"log/slog"
	"maps"

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

// list returns the secrets in the form that the keyring takes.
func (s Secrets) list() ([]signature.Secret, error) { return signature.List(s, typeOf) }

func typeOf(name EventType) string { return string(canonical(name)) }

func secretOf(name EventType, value string) signature.Secret {
	return signature.Secret{Name: string(name), Type: typeOf(name), Value: value}
}

// SecretsFromDir reads a directory with one file for each registration, with the same
// name and one secret per line, the newest first: what the command line writes and
// what Kubernetes mounts. Empty lines are skipped, and so are directories and files whose
// name begins with a dot, such as Kubernetes's "..data"; a file named "*" or "any"
// is for every type. It returns an error that wraps [ErrInvalidSecret], and no
// secrets, if a file has none or one that [New] would refuse: a file may be half
// written.
func SecretsFromDir(dir fs.FS) (Secrets, error) { return signature.ReadDir[EventType](dir) }

// SecretsFromEnv reads secrets from the environment: PREFIX_AGENT_MESSAGE has those of
// agent.message, and so on for each name of a documented type in upper case, with every
// other character as an underscore. Several secrets in one variable are separated by
// line ends or commas, the newest first. Other variables are ignored, so that
// SONZAI_BASE_URL never becomes a secret. It returns an error that wraps
// [ErrInvalidSecret] if there is no such variable, or one that is empty or has a secret
// that [New] would refuse.
func SecretsFromEnv(prefix string) (Secrets, error) {
	return signature.ReadEnv[EventType](prefix, maps.Keys(byName))
}
