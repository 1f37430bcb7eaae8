package delivery

import (
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/internal/signature"
)

// Sign returns the signature header of a body. A secret or a time that no receiver
// accepts is an error.
func Sign(body []byte, secret string, at time.Time) (string, error) {
	if err := signature.CheckSecret(secret); err != nil {
		return "", err
	}
	header := sonzaihook.Sign(body, secret, at)
	return header, sonzaihook.Verify(body, header, secret, at, time.Second)
}
