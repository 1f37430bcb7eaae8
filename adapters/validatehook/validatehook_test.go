package validatehook_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-playground/validator/v10"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/adapters/validatehook"
)

type line struct {
	SKU      string `json:"sku" validate:"required"`
	Quantity int    `json:"quantity" validate:"min=1"`
}

type base struct {
	Tenant string `json:"tenant" validate:"required"`
}

type order struct {
	base
	Kind      string          `json:"kind,omitempty" validate:"omitempty,oneof=new old"`
	Mail      string          `json:"mail" validate:"omitempty,email"`
	Code      string          `json:"code" validate:"omitempty,len=4"`
	Lines     []line          `json:"lines" validate:"max=3,dive"`
	ByName    map[string]line `json:"by_name" validate:"dive"`
	Next      *line           `json:"next"`
	Phone     string          `json:"phone" validate:"required_without=Fax"`
	Fax       string          `json:"fax_number"`
	Untagged  string          `validate:"omitempty,max=2"`
	Internal  string          `json:"-" validate:"omitempty,max=2"`
	Any       any             `json:"any" validate:"omitempty"`
	Anything  []any           `json:"anything" validate:"dive"`
	AnyByName map[string]any  `json:"any_by_name" validate:"dive"`
	Score     float64         `json:"score" validate:"lte=1"`
	Postcode  string          `json:"postcode" validate:"omitempty,startswith=D-"`
}

func sound() order { return order{base: base{Tenant: "t"}, Phone: "1"} }

func TestAFieldIsNamedAsInTheJSONWithWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(*order)
		want  string
	}{
		"required":                  {func(o *order) { o.Phone = "" }, "phone is required without fax_number"},
		"embedded":                  {func(o *order) { o.Tenant = "" }, "tenant is required"},
		"one of":                    {func(o *order) { o.Kind = "secret" }, "kind must be one of new, old"},
		"format":                    {func(o *order) { o.Mail = "secret" }, "mail must be an email address"},
		"length of a text":          {func(o *order) { o.Code = "secret" }, "code must be exactly 4 characters long"},
		"elements":                  {func(o *order) { o.Lines = make([]line, 4) }, "lines must have at most 3 elements"},
		"number":                    {func(o *order) { o.Score = 7 }, "score must be at most 1"},
		"in an array":               {func(o *order) { o.Lines = []line{{"a", 1}, {"", 1}} }, "lines[1].sku is required"},
		"in a map":                  {func(o *order) { o.ByName = map[string]line{"secret].[x": {"", 1}} }, "by_name[*].sku is required"},
		"in a map under a tame key": {func(o *order) { o.ByName = map[string]line{"secret": {"", 1}} }, "by_name[*].sku is required"},
		"in an array of anything":   {func(o *order) { o.Anything = []any{line{Quantity: 1}} }, "anything[0].SKU is required"},
		"in a map of anything":      {func(o *order) { o.AnyByName = map[string]any{"secret": line{Quantity: 1}} }, "any_by_name[*].SKU is required"},
		"behind a pointer":          {func(o *order) { o.Next = &line{SKU: "a"} }, "next.quantity must be at least 1"},
		"without a json tag":        {func(o *order) { o.Untagged = "secret" }, "Untagged must be at most 2 characters long"},
		"not in the JSON":           {func(o *order) { o.Internal = "secret" }, "Internal must be at most 2 characters long"},
		"in an interface":           {func(o *order) { o.Any = line{Quantity: 1} }, "any.SKU is required"},
		"a rule without words":      {func(o *order) { o.Postcode = "secret" }, `postcode does not satisfy "startswith=D-"`},
		"several, in one error":     {func(o *order) { o.Score, o.Phone = 7, "" }, "phone is required without fax_number; score must be at most 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := sound()
			require.NoError(t, validatehook.New().Struct(&o))
			test.spoil(&o)
			err := validatehook.New().Struct(&o)
			require.EqualError(t, err, "validatehook: "+test.want)
			require.NotContains(t, fmt.Sprintf("%v %+v %s", err, err, err), "secret")
		})
	}
}

func TestAnErrorListsItsFields(t *testing.T) {
	t.Parallel()
	o := sound()
	o.Code = "12345"
	err := validatehook.New().Struct(o)
	var found *validatehook.Error
	require.ErrorAs(t, err, &found)
	require.Equal(t, []validatehook.Field{
		{Name: "code", Rule: "len", Problem: "must be exactly 4 characters long"},
	}, found.Fields)
	var failures validator.ValidationErrors
	require.ErrorAs(t, err, &failures)
	require.Equal(t, "12345", failures[0].Value())
}

func TestTheTextOfAnErrorIsBounded(t *testing.T) {
	t.Parallel()
	var many struct {
		Lines []line `json:"lines" validate:"dive"`
	}
	many.Lines = make([]line, 1000)
	err := validatehook.New().Struct(&many)
	require.ErrorContains(t, err, "; and 1990 more")
	require.Less(t, len(err.Error()), 1000)
	require.Equal(t, 9, strings.Count(err.Error(), ";")-1)
}

func TestRulesOfTheUsersOwnAreUsed(t *testing.T) {
	t.Parallel()
	rules := validator.New()
	require.NoError(t, rules.RegisterValidation("even", func(fl validator.FieldLevel) bool {
		return fl.Field().Int()%2 == 0
	}))
	rules.RegisterStructValidation(func(sl validator.StructLevel) {
		sl.ReportError(sl.Current().Interface(), "Total", "Total", "adds_up", "")
	}, order{})
	var pair struct {
		Count int `json:"count" validate:"even"`
	}
	pair.Count = 3
	require.EqualError(t, validatehook.With(rules).Struct(&pair), `validatehook: count does not satisfy "even"`)
	pair.Count = 4
	require.NoError(t, validatehook.With(rules).Struct(&pair))
	o := sound()
	require.EqualError(t, validatehook.With(rules).Struct(&o), `validatehook: Total does not satisfy "adds_up"`)
}

func TestAValidatorOfTheUsersOwnIsNotChanged(t *testing.T) {
	t.Parallel()
	rules := validator.New()
	o := sound()
	o.Phone = ""
	before := rules.Struct(&o).Error()
	require.Error(t, validatehook.With(rules).Struct(&o))
	require.Equal(t, before, rules.Struct(&o).Error())
	require.Contains(t, before, "order.Phone")
}

func TestWhatIsNoStructIsAnErrorOfItsOwn(t *testing.T) {
	t.Parallel()
	var invalid *validator.InvalidValidationError
	require.ErrorAs(t, validatehook.New().Struct(7), &invalid)
	require.ErrorAs(t, validatehook.New().Struct(nil), &invalid)
}

func TestWithoutAValidatorThereIsNone(t *testing.T) {
	t.Parallel()
	require.PanicsWithValue(t, "validatehook: With(nil)", func() { validatehook.With(nil) })
}
