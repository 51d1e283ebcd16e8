// Package setup writes the setup card of a tenant: what the administrator of a
// customer's identity provider needs to connect it. It must not know a token or
// any user: a card is made of configuration alone, and may be sent by mail.
package setup
