package sonzaihook_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/sonzaihook/sonzaihook"
)

func ExampleReceiver_Receive() {
	hooks, err := sonzaihook.New(sonzaihook.Secret(exampleSecret), quiet)
	if err != nil {
		fmt.Println(err)
		return
	}
	body := []byte(`{"event_type":"agent.message"}`) // as a function platform hands it over
	header := http.Header{}
	header.Set(sonzaihook.SignatureHeader, "t=1767225600,v1="+strings.Repeat("0", 64))
	out := hooks.Receive(context.Background(), header, body)
	fmt.Print(out.Status, " ", string(out.Body()))
	// Output:
	// 401 {"type":"about:blank","title":"Unauthorized","status":401,"code":"unauthorized"}
}
