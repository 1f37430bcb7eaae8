package sonzaihook_test

import (
	"testing"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

func TestMemoryStorePassesTheStoreSuite(t *testing.T) {
	t.Parallel()
	for name, capacity := range map[string]int{"one shard": 1000, "many shards": 100_000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hooktest.RunStore(t, func(testing.TB) sonzaihook.Store { return sonzaihook.NewMemoryStore(capacity) })
		})
	}
}
