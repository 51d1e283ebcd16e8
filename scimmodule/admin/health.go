package admin

import (
	"context"
	"time"
)

// readyTimeout bounds the look at the store for the health page.
const readyTimeout = 3 * time.Second

func (c *call) ready() (any, error) {
	ctx, cancel := context.WithTimeout(c.ctx, readyTimeout)
	defer cancel()
	if err := c.tenancy.Ready(ctx); err != nil {
		return nil, err
	}
	h := Health{Status: "ready", Store: c.Store}
	if c.Warnings != nil {
		warnings, err := c.Warnings(ctx)
		if err != nil {
			warnings = append(warnings, "the store's settings could not be checked: "+err.Error())
		}
		h.Warnings = warnings
	}
	tokens, err := c.tenancy.Warnings(ctx)
	if err != nil {
		tokens = append(tokens, "the tokens could not be checked: "+err.Error())
	}
	h.Warnings = append(h.Warnings, tokens...)
	return h, nil
}
