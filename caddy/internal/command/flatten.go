package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// flatten calls row with each value of a JSON object and the path to it, such as
// name.givenName or emails[0].value, in the order of the text.
func flatten(raw json.RawMessage, row func(cells ...string)) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return flattenValue(d, "", 0, row)
}

func flattenValue(d *json.Decoder, path string, depth int, row func(cells ...string)) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return err
			}
			below := fmt.Sprint(name)
			switch {
			case depth == 1 && strings.HasPrefix(path, "urn:"):
				below = path + ":" + below // RFC 7644 §3.10
			case depth > 0:
				below = path + "." + below
			}
			if err := flattenValue(d, below, depth+1, row); err != nil {
				return err
			}
		}
	case json.Delim('['):
		for i := 0; d.More(); i++ {
			if err := flattenValue(d, fmt.Sprintf("%s[%d]", path, i), depth+1, row); err != nil {
				return err
			}
		}
	default:
		row(path, fmt.Sprint(token))
		return nil
	}
	_, err = d.Token() // the end of it
	return err
}
