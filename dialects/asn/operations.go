package asn

import (
	"context"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
)

// outcome is what an operation answers. rest, if there is one, completes the value
// and may take until its ctx ends: it is called in another goroutine.
type outcome struct {
	value rose.Value
	rest  func(ctx context.Context)
}

// method carries out an operation, for whoever may call it.
type method func(ctx context.Context, c *caller, argument rose.Value) (outcome, error)

// action carries out an operation of a party.
type action func(t *seat, ctx context.Context, argument rose.Value) (rose.Value, error)

// methods are the operations that need no party (reference 5).
var methods = map[int64]method{
	rose.OpRequestAuthToken:      anybody((*caller).requestToken),
	rose.OpJoinConference:        anybody((*caller).join),
	rose.OpScheduleMeeting:       anybody((*caller).schedule),
	rose.OpUpdateMeeting:         anybody((*caller).update),
	rose.OpCancelMeeting:         anybody((*caller).cancel),
	rose.OpListScheduledMeetings: anybody((*caller).list),
}

// actions are those of a party, and the events that a client may send.
var actions = map[int64]action{
	rose.OpLeaveConference:       party((*seat).leaveConference),
	rose.OpConferenceKeepAlive:   party((*seat).keepAlive),
	rose.OpConfigurePublishing:   party((*seat).configurePublishing),
	rose.OpSubscribeMedia:        party((*seat).subscribe),
	rose.OpUnsubscribeMedia:      party((*seat).unsubscribe),
	rose.OpConfigureMedia:        party((*seat).configureMedia),
	rose.OpRemoveParty:           party((*seat).removeParty),
	rose.OpGetPartyList:          party((*seat).partyList),
	rose.OpGetImage:              party((*seat).getImage),
	rose.OpSDPOffer:              event((*seat).offered),
	rose.OpSDPAnswer:             event((*seat).answered),
	rose.OpTrickleIce:            event((*seat).trickled),
	rose.OpGatheringIceCompleted: event((*seat).gathered),
}

func anybody[A rose.Value](f func(*caller, context.Context, A) (outcome, error)) method {
	return func(ctx context.Context, c *caller, argument rose.Value) (outcome, error) {
		a, ok := argument.(A)
		if !ok {
			return outcome{}, bridge.Errorf(bridge.Internal, "an argument of another operation")
		}
		return f(c, ctx, a)
	}
}

func party[A, R rose.Value](f func(*seat, context.Context, A) (R, error)) action {
	return func(t *seat, ctx context.Context, argument rose.Value) (rose.Value, error) {
		a, ok := argument.(A)
		if !ok {
			return nil, bridge.Errorf(bridge.Internal, "an argument of another operation")
		}
		return f(t, ctx, a)
	}
}

func event[A rose.Value](f func(*seat, context.Context, A) error) action {
	return func(t *seat, ctx context.Context, argument rose.Value) (rose.Value, error) {
		a, ok := argument.(A)
		if !ok {
			return nil, bridge.Errorf(bridge.Internal, "an argument of another operation")
		}
		return nil, f(t, ctx, a)
	}
}

// sessionOf returns the session token of an argument; nil: it has none.
func sessionOf(argument rose.Value) *bridge.Secret {
	switch a := argument.(type) {
	case interface{ Session() bridge.Secret }:
		return new(a.Session())
	case *rose.SDPOfferArgument:
		return a.SessionToken
	case *rose.SDPAnswerArgument:
		return a.SessionToken
	case *rose.TrickleIceArgument:
		return a.SessionToken
	case *rose.GatheringIceCompletedArgument:
		return a.SessionToken
	}
	return nil
}

// perform carries out an operation whose argument has been read.
func (c *caller) perform(ctx context.Context, op rose.Operation, argument rose.Value) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	if do := methods[op.ID]; do != nil {
		if op.ID == rose.OpJoinConference && c.speaker == nil {
			return outcome{}, fail(rose.NeedsConnection, "a conference is joined over a connection that carries events")
		}
		return do(ctx, c, argument)
	}
	do := actions[op.ID]
	if do == nil {
		return outcome{}, nil // an event of the server's
	}
	token := sessionOf(argument)
	t, err := c.seat(token)
	if err != nil {
		return outcome{}, err
	}
	if t == nil {
		id, ok := c.d.partyOf(*token)
		if !ok {
			c.failed()
			return outcome{}, errNoParty()
		}
		v, err := c.d.house.forward(ctx, id, op, argument)
		return outcome{value: v}, err
	}
	v, err := t.act(ctx, op, do, argument)
	return outcome{value: v}, err
}

// seat returns the party of a session token, or without one the only party of the
// connection (reference 11.1); nil: it is elsewhere.
func (c *caller) seat(token *bridge.Secret) (*seat, error) {
	switch {
	case token == nil && (c.speaker == nil || len(c.speaker.seats) != 1):
		return nil, errNoParty()
	case token == nil:
		return c.speaker.seats[0], nil
	case c.speaker == nil:
		return nil, nil
	}
	for _, t := range c.speaker.seats {
		if t.token == *token {
			return t, nil
		}
	}
	return nil, nil
}

// failed tells the gate of a token that is none: somebody may be guessing.
func (c *caller) failed() {
	who := bridge.Credentials{Dialect: Name}
	if c.speaker != nil {
		who.Remote = c.speaker.c.Remote
	} else if c.request != nil {
		who.Remote = remoteOf(c.request)
	}
	c.d.env.Gate.Failed(who)
}
