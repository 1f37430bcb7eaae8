package ginhook

import (
	"bytes"
	"io"
	"net/http"

	"github.com/gin-gonic/gin"
)

// prepare returns the request as the receiver wants it: with a body that speaks
// for gin.
func prepare(c *gin.Context) *http.Request {
	restore(c)
	if c.Request.Body != nil {
		c.Request.Body = body{c.Request.Body, c.Param("project")}
	}
	return c.Request
}

// restore puts the bytes back that ShouldBindBodyWith kept, if they are the whole
// body: it keeps nothing, too, when something read the body before it.
func restore(c *gin.Context) {
	value, _ := c.Get(gin.BodyBytesKey)
	kept, _ := value.([]byte)
	if len(kept) == 0 || int64(len(kept)) < c.Request.ContentLength {
		return
	}
	c.Request.Body = io.NopCloser(bytes.NewReader(kept))
	c.Request.ContentLength = int64(len(kept))
}

// body is a request's body that knows what gin knows.
type body struct {
	io.ReadCloser
	project string
}

// ConsumedHint is what the receiver adds to its report of a consumed body.
func (body) ConsumedHint() string {
	return "in gin it is usually ShouldBindJSON, BindJSON, Bind or GetRawData in middleware; mount the hook " +
		"outside of the group that has it, or bind with ShouldBindBodyWith, which keeps the body for the hook"
}

// PathProject is the project in the path, for the receiver.
func (b body) PathProject() string { return b.project }
