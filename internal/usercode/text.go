package usercode

import (
	"fmt"
	"log/slog"
)

// The bounds of what is logged, in bytes.
const (
	maxName  = 256
	maxText  = 2 << 10
	maxStack = 16 << 10
)

// Name returns a name, an id or the like, cut off after 256 bytes.
func Name(name string) string { return bounded(name, maxName) }

func bounded(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return fmt.Sprintf("%s… (%d bytes)", text[:limit], len(text))
}

// Text returns the text of an error, whose methods may panic.
func Text(err error) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprintf("an error of type %T whose Error panics: %s", err, PanicText(v))
		}
	}()
	return err.Error()
}

// NameAttr is an attribute with a name of bounded length.
func NameAttr(key, name string) slog.Attr { return slog.String(key, Name(name)) }

// TextAttr is an attribute with a text, cut off after 2 KB.
func TextAttr(key, text string) slog.Attr { return slog.String(key, bounded(text, maxText)) }

// ErrorAttr is the attribute "error" with the text of an error.
func ErrorAttr(err error) slog.Attr { return TextAttr("error", Text(err)) }

// PanicAttr is the attribute "panic" with the text of a recovered value.
func PanicAttr(v any) slog.Attr { return TextAttr("panic", PanicText(v)) }

// StackAttr is the attribute "stack", cut off after 16 KB.
func StackAttr(stack []byte) slog.Attr { return slog.String("stack", bounded(string(stack), maxStack)) }
