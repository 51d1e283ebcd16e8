package attr

import (
	"errors"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	for _, c := range []struct {
		name, in string
		status   int
		typ      scimerr.Type
	}{
		{"empty", ``, 400, scimerr.InvalidSyntax},
		{"cut off", `{"a":`, 400, scimerr.InvalidSyntax},
		{"trailing data", `{} {}`, 400, scimerr.InvalidSyntax},
		{"same name twice", `{"a":1,"a":2}`, 400, scimerr.InvalidSyntax},
		{"same name in another case", `{"userName":"a","USERNAME":"b"}`, 400, scimerr.InvalidSyntax},
		{"same name twice in a dropped member", `{"drop":{"a":1,"a":2}}`, 400, scimerr.InvalidSyntax},
		{"invalid UTF-8", "{\"a\":\"\xff\"}", 400, scimerr.InvalidSyntax},
		{"lone surrogate", `{"a":"\ud800"}`, 400, scimerr.InvalidSyntax},
		{"too deep", deep(17), 400, scimerr.InvalidSyntax},
		{"too deep in a dropped member", `{"drop":` + deep(16) + `}`, 400, scimerr.InvalidSyntax},
		{"too deep in a deferred member", `{"defer":` + deep(16) + `}`, 400, scimerr.InvalidSyntax},
		{"long string", `{"a":"` + strings.Repeat("x", 64<<10+1) + `"}`, 400, scimerr.InvalidValue},
		{"long array", `{"a":[` + strings.Repeat("1,", 20_000) + `1]}`, 413, scimerr.None},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := DecodeObject([]byte(c.in), testGuide{}, Limits{})
			var e *scimerr.Error
			if !errors.As(err, &e) || e.Status != c.status || e.Type != c.typ {
				t.Fatalf("got %v, want %d %s", err, c.status, c.typ)
			}
		})
	}
}

func TestDecodeAccepts(t *testing.T) {
	t.Parallel()
	in := `{ "b" : [1.50, true, null, "\u00e9\n"], "DROP":{"x":[{}]}, "a":{"c":{}}, "defer": {"k" : 1} }`
	v, err := Decode([]byte(in), testGuide{}, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(v.Append(nil)), `{"b":[1.50,true,null,"é\n"],"a":{"c":{}},"defer":{"k" : 1}}`; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}

func TestDepthLimitIsExact(t *testing.T) {
	t.Parallel()
	in := strings.Repeat("[", 16) + strings.Repeat("]", 16)
	if _, err := Decode([]byte(in), nil, Limits{}); err != nil {
		t.Fatalf("16 levels: %v", err)
	}
	if _, err := DecodeObject([]byte(`{"drop":`+in[1:31]+`}`), testGuide{}, Limits{}); err != nil {
		t.Fatalf("16 levels, 15 of them skipped: %v", err)
	}
}

func TestMapStrings(t *testing.T) {
	t.Parallel()
	got := string(MapStrings([]byte(`{"a":"a","b":["a",{"a":1,"c":"x"}]}`), func(s string) string { return s + "!" }))
	if want := `{"a":"a!","b":["a!",{"a":1,"c":"x!"}]}`; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}

type testGuide struct{}

func (g testGuide) Member(name string) (string, Guide, Action) {
	switch strings.ToLower(name) {
	case "drop":
		return "", nil, Drop
	case "defer":
		return name, nil, Defer
	}
	if strings.EqualFold(name, "username") {
		name = "userName"
	}
	return name, g, Keep
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,{"b":null}],"drop":{"x":1},"defer":[{}]}`, `"\u0000"`, `{"a":"\ud800"}`, `[[[[]]]]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		v, err := Decode(in, testGuide{}, Limits{Depth: 8})
		if err != nil {
			var e *scimerr.Error
			if !errors.As(err, &e) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		out := v.Append(nil)
		w, err := Decode(out, nil, Limits{Depth: 8})
		if err != nil {
			t.Fatalf("%s came out of %s and is refused: %v", out, in, err)
		}
		if again := w.Append(nil); v.Kind() != Object && v.Kind() != Array && string(again) != string(out) {
			t.Fatalf("%s became %s", out, again)
		}
	})
}
