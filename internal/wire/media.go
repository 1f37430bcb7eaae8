package wire

import (
	"fmt"
	"mime"
	"net/http"
	"strings"
)

// maxMedia bounds a header that is parsed to learn the media type.
const maxMedia = 1024

// CheckMedia refuses a request whose headers say that the body is not plain JSON, with
// an error that wraps ErrUnsupportedMediaType. Parameters that cannot change the bytes
// are ignored; the signature decides.
func CheckMedia(header http.Header) error {
	for _, encoding := range header["Content-Encoding"] {
		if !plainEncoding(encoding) {
			return fmt.Errorf("%w: the body has a content encoding", ErrUnsupportedMediaType)
		}
	}
	for _, content := range header["Content-Type"] {
		if !isJSON(content) {
			return fmt.Errorf("%w: the content type is not JSON", ErrUnsupportedMediaType)
		}
	}
	return nil
}

// plainEncoding reports whether a content encoding leaves the bytes as they are.
// Some senders put the character set into that header.
func plainEncoding(encoding string) bool {
	if len(encoding) > maxMedia {
		return false
	}
	for name := range strings.SplitSeq(encoding, ",") {
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "", "identity", "none", "utf-8", "utf8", "us-ascii", "ascii":
		default:
			return false
		}
	}
	return true
}

// isJSON reports whether a content type is JSON. A list of types is JSON if each
// of them is.
func isJSON(content string) bool {
	switch content {
	case "", "application/json", "application/json; charset=utf-8":
		return true
	}
	if len(content) > maxMedia {
		return false
	}
	if media, _, err := mime.ParseMediaType(content); err == nil {
		return isJSONMedia(media)
	}
	for one := range strings.SplitSeq(content, ",") {
		media, _, _ := strings.Cut(one, ";") // parameters say nothing about the bytes
		if media = strings.ToLower(strings.TrimSpace(media)); media != "" && !isJSONMedia(media) {
			return false
		}
	}
	return true
}

func isJSONMedia(media string) bool {
	return media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json")
}
