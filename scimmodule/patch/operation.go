package patch

import "strings"

// Names tells whether the operation's path names that base attribute, or a part
// of it, without the URN of its schema.
func (o Operation) Names(attribute string) bool {
	if o.path == nil {
		return false
	}
	head, _, _ := strings.Cut(o.path.Attr, ".")
	return strings.EqualFold(head, attribute)
}
