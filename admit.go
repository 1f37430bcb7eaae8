package sonzaihook

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"
)

// What is checked of a request before its body is read: everything that can
// refuse without it.

// admit checks the headers and leaves the signature parsed.
func (r *Receiver) admit(header http.Header, now time.Time, sig *signature) error {
	if err := checkMedia(header); err != nil {
		return err
	}
	if r.authorization != nil {
		got := sha256.Sum256([]byte(first(header, "Authorization")))
		if subtle.ConstantTimeCompare(got[:], r.authorization[:]) != 1 {
			return ErrWrongAuthorization
		}
	}
	switch lines := header[SignatureHeader]; len(lines) {
	case 0:
		return ErrMissingSignature
	case 1:
		if err := sig.parse(lines[0]); err != nil {
			return err
		}
	default:
		return malformed("more than one header line")
	}
	return sig.checkTime(now, r.tolerance)
}

// checkMedia refuses what says that it is not plain JSON. A delivery that says
// nothing of its type is let in; its signature decides.
func checkMedia(header http.Header) error {
	if encoding := first(header, "Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return fmt.Errorf("%w: the body has a content encoding", ErrUnsupportedMediaType)
	}
	switch content := first(header, "Content-Type"); content {
	case "", "application/json", "application/json; charset=utf-8":
		return nil
	default:
		media, _, err := mime.ParseMediaType(content)
		if err == nil && (media == "application/json" || strings.HasSuffix(media, "+json")) {
			return nil
		}
		return fmt.Errorf("%w: the content type is not JSON", ErrUnsupportedMediaType)
	}
}

func first(header http.Header, name string) string {
	if values := header[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}
