package sonzaihook_test

import (
	"fmt"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

func ExampleVerify() {
	body, now := []byte(`{}`), time.Now()
	header := sonzaihook.Sign(body, exampleSecret, now)
	fmt.Println(sonzaihook.Verify(body, header, exampleSecret, now, sonzaihook.DefaultTolerance))
	fmt.Println(sonzaihook.Verify(body, header, exampleSecret, now.Add(time.Hour), sonzaihook.DefaultTolerance))
	fmt.Println(sonzaihook.Verify([]byte(`{ }`), header, exampleSecret, now, sonzaihook.DefaultTolerance))
	// Output:
	// <nil>
	// sonzaihook: timestamp outside tolerance: 3600 s old, 5m0s allowed
	// sonzaihook: signature mismatch
}
