package validatehook_test

import (
	"fmt"
	"strings"

	"github.com/go-playground/validator/v10"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/validatehook"
)

func ExampleNew() {
	err := validatehook.New().Struct(&sonzaihook.Message{Intent: "greet"})
	fmt.Println(err)
	// Output: validatehook: content is required
}

func ExampleWith() {
	rules := validator.New()
	_ = rules.RegisterValidation("tenant", func(fl validator.FieldLevel) bool {
		return strings.HasPrefix(fl.Field().String(), "t_")
	})
	type Lead struct {
		Tenant string `json:"tenant_id" validate:"tenant"`
	}
	err := validatehook.With(rules).Struct(&Lead{Tenant: "somebody's name"})
	fmt.Println(err)
	// Output: validatehook: tenant_id does not satisfy "tenant"
}
