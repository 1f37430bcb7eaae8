package echohook

import (
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"
)

// prepare returns the request as the receiver wants it: with a body that speaks
// for echo.
func prepare(c echo.Context) *http.Request {
	req := c.Request()
	if req.Body == nil {
		return req
	}
	req.Body = body{req.Body, param(c, "project")}
	return req
}

// param returns a path parameter. Echo leaves it escaped where the path was sent
// in another form than Go would write it.
func param(c echo.Context, name string) string {
	value := c.Param(name)
	if c.Request().URL.RawPath == "" {
		return value
	}
	if unescaped, err := url.PathUnescape(value); err == nil {
		return unescaped
	}
	return value
}

// body is a request's body with echo's own ways translated.
type body struct {
	io.ReadCloser
	project string
}

// Read turns the error of echo's BodyLimit into the one of net/http, which the
// receiver knows: it is the sender's fault and final, not a broken connection.
func (b body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	var refused *echo.HTTPError
	if errors.As(err, &refused) && refused.Code == http.StatusRequestEntityTooLarge {
		return n, &http.MaxBytesError{}
	}
	return n, err
}

// ConsumedHint is what the receiver adds to its report of a consumed body.
func (body) ConsumedHint() string {
	return "in echo it is usually c.Bind, or io.ReadAll on c.Request().Body, in middleware; " +
		"mount the hook outside of the group that has it, give that middleware a Skipper, or have it set " +
		"c.Request().Body = io.NopCloser(bytes.NewReader(data)) after reading, as echo's BodyDump does"
}

// PathProject is the project in the path, for the receiver.
func (b body) PathProject() string { return b.project }
