package setup

import (
	_ "embed"
	"html/template"
	"io"
)

//go:embed card.html
var page string

var pageTemplate = template.Must(template.New("card").Parse(page))

// HTML writes the card as a page that needs no other file and runs no script,
// for the screen and for paper. An error is the writer's.
func (c Card) HTML(w io.Writer) error {
	return pageTemplate.Execute(w, struct {
		Card
		Title    string
		Sections []section
	}{c, c.title(), c.sections()})
}
