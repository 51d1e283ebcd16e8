// Package faulty is this project's SCIM service with one fault planted, to show
// that the doctor finds what it is for. It must not be imported but by tests.
//
// A fault has the id of the finding that it has to come to, and is planted in
// front of the service: in the requests on their way in, or the answers on their
// way out. Everything else is as the service does it.
package faulty
