package setup

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

var testSteps = []string{
	"Test the connection: Test Connection in Entra ID, Test Connector Configuration in Okta. It asks for a user who does not exist, and has to succeed. If the answer is 401, the token is wrong, expired or revoked. If it is a page in HTML, a firewall or another proxy is in between.",
	"Provision one person: Provision on demand in Entra ID, Assignments > Assign in Okta. Ask the people who gave you this card what has arrived.",
	"Take the person out of the application again: the user becomes inactive here.",
	"If something is refused, the provider's own log shows our answer with the reason: Provisioning logs in Entra ID, System Log in Okta. When you ask for help, send the time and the answer, never the token.",
}

// leaving says what becomes of people who leave and come back.
func leaving(retention time.Duration) []string {
	archive := "Archived profiles are kept without a limit of time, until the operator of this service erases them."
	if retention > 0 {
		archive = "Archived profiles are kept for " + span(retention) + " and then erased for good."
	}
	return []string{
		"Unassigned, disabled or out of scope in the identity provider: the user becomes inactive here (active is false). Profile and memberships are kept. Only the identity provider can make the user active again.",
		"Deleted in the identity provider: the user leaves all groups, is gone from SCIM, and the profile is archived.",
		archive,
		"Created again: an inactive or archived user of the same userName comes back with the same id, unless the externalId says that it is another person. After a deletion, memberships have to be sent again.",
		"Entra ID deletes a person here 30 days after the deletion there. Who was unassigned before is never deleted here, and stays inactive.",
		"Okta never deletes people here: they become inactive.",
		"A deleted group is gone at once. Its members stay.",
	}
}

func notes(in Input, all []kept) []string {
	var list []string
	if in.Paused {
		list = append(list, "Provisioning of this tenant is paused at the moment: requests are answered with 503 and a time after which to try again, Test Connection too. Nothing has to be changed in the identity provider.")
	}
	list = append(list, "What is not on the list of what is kept is dropped without an error and is stored nowhere. Its name is counted, its value is not. Rows of mappings that send it can be deleted: then it does not leave your directory. The attributes id, schemas and meta are made by this service. Passwords are never kept.")
	if slices.ContainsFunc(all, func(k kept) bool { return k.filter != "" && k.ref.Sub != nil }) {
		list = append(list, "An entry with a condition in brackets keeps the element that meets the condition, and of it also type and primary. Other elements are dropped.")
	}
	var required []string
	for _, k := range all {
		if k.Required && k.ResourceType == "User" && k.Name != "userName" {
			required = append(required, k.Name)
		}
	}
	if len(required) > 0 {
		list = append(list, "Users without a value for a required attribute are refused (400): "+strings.Join(required, ", ")+".")
	}
	if in.Views.Group.Keeps("members") {
		list = append(list, members(in.Members))
	} else {
		list = append(list, "The members of groups are not kept.")
	}
	return append(list, "If the list of what is kept grows later, values arrive with the next change of each person. For all at once, synchronise in full: Restart provisioning in Entra ID, Force Sync in Okta.")
}

// members says what becomes of a member whom nobody knows.
func members(mode string) string {
	const who = "A group's member who has not been sent as a user "
	switch mode {
	case "pending":
		return who + "counts as soon as the user arrives."
	case "ignore":
		return who + "is left out of the group."
	case "reject":
		return who + "makes the whole request fail (400). Assign the people themselves too, not only the groups."
	}
	return who + "is created as a user, with what the group says of them, until the user itself arrives."
}

// span writes a duration in days where it is whole days, else in hours or as Go
// does.
func span(d time.Duration) string {
	for _, u := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}} {
		if n := int64(d / u.length); n > 0 && d%u.length == 0 {
			if n == 1 {
				return "1 " + u.name
			}
			return strconv.FormatInt(n, 10) + " " + u.name + "s"
		}
	}
	return d.String()
}
