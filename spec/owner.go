package spec

import "strconv"

// OwnerAnnotation holds the number of the user who began a session through the
// daemon. Manifests are written by root alone, so nobody else can set it.
const OwnerAnnotation = "coppice.dev/owner"

// OwnerNameAnnotation holds what that user was called when they began it.
const OwnerNameAnnotation = "coppice.dev/owner-name"

// OwnerName returns what the user who began the session was called then; "" if
// nobody began it, or the host knew no name.
func (s *Session) OwnerName() string { return s.Annotations[OwnerNameAnnotation] }

// ClientAnnotation holds the identity of the process that a session was begun
// for. An ephemeral session ends when that process does.
const ClientAnnotation = "coppice.dev/client"

// Client returns the identity of the process that the session was begun for; ""
// if it was begun for none.
func (s *Session) Client() string { return s.Annotations[ClientAnnotation] }

// Owner returns the user who began the session; nil if nobody did. What is no
// number is a user that there is none of, so that a mistake lets nobody in.
func (s *Session) Owner() *int {
	text, is := s.Annotations[OwnerAnnotation]
	if !is {
		return nil
	}
	uid, err := strconv.Atoi(text)
	if err != nil || uid < 0 {
		uid = -1
	}
	return &uid
}
