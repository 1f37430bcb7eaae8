package hooktest_test

import (
	"testing"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// A store of your own passes the suite in a test of this form.
func ExampleRunStore() {
	_ = func(t *testing.T) { // func TestStore(t *testing.T)
		hooktest.RunStore(t, func(t testing.TB) sonzaihook.Store {
			return sonzaihook.NewMemoryStore(sonzaihook.DefaultStoreCapacity) // yours, empty
		})
	}
}
