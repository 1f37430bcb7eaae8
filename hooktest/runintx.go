package hooktest

import (
	"slices"
	"testing"
)

// RunInTx runs the suite that every store must pass in whose transactions
// callbacks write: that what the callbacks of a delivery write is committed exactly
// once, whatever they return, wherever the process dies, under every isolation level,
// with concurrent copies, and with holders that do not know that they lost their
// claim.
//
// open is called once for each part and registers its own clean-up. The parts run
// in parallel, in real time, within some ten seconds.
func RunInTx(t *testing.T, open func(testing.TB) TxDatabase) {
	t.Helper()
	for _, part := range slices.Concat(verdictParts, killParts, lossParts) {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.run(&txTest{T: t, db: open(t)})
		})
	}
}
