package hooktest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// t stands for the argument of the test in which this is written.
var t testing.TB = &quietTB{}

type quietTB struct{ testing.TB }

func (*quietTB) Helper() {}

// A test of your callbacks: a fixture with changed fields, signed and delivered.
func ExampleDeliver() {
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret))
	if err != nil {
		fmt.Println(err)
		return
	}
	hooks.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
		fmt.Println("mood:", e.Data.Label)
		return nil
	})
	body := hooktest.Fixture(t, sonzaihook.EventMoodChange)
	answer := hooktest.Deliver(t, hooks, body)
	fmt.Println(answer.Code)
	answer = hooktest.Deliver(t, hooks, body) // a copy
	fmt.Print(answer.Body)
	// Output:
	// mood: content
	// 200
	// {"code":"duplicate"}
}
