module github.com/sonzaihook/sonzaihook/examples/lambda

go 1.26.0

replace github.com/sonzaihook/sonzaihook => ../..

require (
	github.com/aws/aws-lambda-go v1.55.1
	github.com/sonzaihook/sonzaihook v0.0.0
)

require github.com/go-json-experiment/json v1.27.2 // indirect
