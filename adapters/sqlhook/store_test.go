package sqlhook_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

func TestStorePassesTheSuite(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		db := d.open(t)
		var stores atomic.Int64
		newStore(t, db, d.dialect)
		hooktest.RunStore(t, func(t testing.TB) sonzaihook.Store {
			return newStore(t, db, d.dialect, sqlhook.WithNamespace(fmt.Sprint("suite-", stores.Add(1))))
		})
	})
}
