package sonzaihook_test

import (
	"fmt"
	"testing/fstest"

	"github.com/sonzaihook/sonzaihook"
)

// A directory with a file for each registration, as the command line writes and
// Kubernetes mounts it.
func ExampleSecretsFromDir() {
	dir := fstest.MapFS{ // in a server: os.DirFS of the mounted directory
		"agent.message": {Data: []byte("whsec_new\nwhsec_old\n")},
		"agent.wakeup":  {Data: []byte("whsec_wakeup\n")},
		"..data/ignore": {Data: []byte("what Kubernetes adds\n")},
	}
	secrets, err := sonzaihook.SecretsFromDir(dir)
	fmt.Println(secrets, err)
	// Output:
	// sonzaihook.Secrets(3 secrets of 2 event types) <nil>
}
