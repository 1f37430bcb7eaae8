package sonzaihook

import (
	"fmt"
	"strings"
)

func checkSecret(secret string) error {
	key := strings.TrimPrefix(secret, secretPrefix)
	switch {
	case strings.TrimSpace(key) == "":
		return fmt.Errorf("%w: it is empty", ErrInvalidSecret)
	case strings.TrimSpace(secret) != secret, strings.TrimSpace(key) != key:
		return fmt.Errorf("%w: it has white space at an end", ErrInvalidSecret)
	}
	return nil
}
