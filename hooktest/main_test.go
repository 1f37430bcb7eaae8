package hooktest_test

import (
	"flag"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "5"); err != nil { // most tests wait for a lease to end
		panic(err)
	}
	os.Exit(m.Run())
}
