package cluster

import (
	"context"
	"reflect"

	"dragoman/bridge"
	"dragoman/cluster/link"
)

// Serve implements link.Handler: what another node begins.
func (h *Host) Serve(ctx context.Context, first *link.Envelope, s *link.Stream) {
	if a, ok := first.Body.(link.Attach); ok {
		h.host(ctx, a, s)
		return
	}
	if relays := h.relays.Load(); relays != nil && isRelay(first.Body) {
		(*relays).Serve(ctx, first, s)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	answer, err := h.reply(ctx, s.Peer, first.Body)
	_ = s.Send(&link.Envelope{Number: first.Number, Body: answer, Err: err})
}

// An answerer answers one kind of question.
type answerer func(h *Host, ctx context.Context, from bridge.NodeID, question any) (any, error)

func on[Q any](f func(h *Host, ctx context.Context, from bridge.NodeID, q Q) (any, error)) answerer {
	return func(h *Host, ctx context.Context, from bridge.NodeID, question any) (any, error) {
		return f(h, ctx, from, question.(Q)) //nolint:forcetypeassert // found by its type
	}
}

// answers is every question that there is.
func answers() map[reflect.Type]answerer {
	return map[reflect.Type]answerer{
		reflect.TypeFor[link.Locate]():    on((*Host).answerLocate),
		reflect.TypeFor[link.Holds]():     on((*Host).answerHolds),
		reflect.TypeFor[link.Announce]():  on((*Host).answerAnnounce),
		reflect.TypeFor[link.Yield]():     on((*Host).answerYield),
		reflect.TypeFor[link.Adopt]():     on((*Host).answerAdopt),
		reflect.TypeFor[link.Create]():    on((*Host).answerCreate),
		reflect.TypeFor[link.LookUp]():    on((*Host).answerLookUp),
		reflect.TypeFor[link.ListRooms](): on((*Host).answerList),
		reflect.TypeFor[link.Drain]():     on((*Host).answerDrain),
		reflect.TypeFor[link.Report]():    on((*Host).answerReport),
		reflect.TypeFor[link.Place]():     on((*Host).answerPlace),
		reflect.TypeFor[link.Release]():   on((*Host).answerRelease),
	}
}

// reply answers a question of a node.
func (h *Host) reply(ctx context.Context, from bridge.NodeID, question any) (any, error) {
	answer, ok := h.answers[reflect.TypeOf(question)]
	if !ok {
		return nil, bridge.Errorf(bridge.NotSupported, "a node cannot be asked that")
	}
	return answer(h, ctx, from, question)
}

func (h *Host) answerLocate(ctx context.Context, _ bridge.NodeID, q link.Locate) (any, error) {
	found, err := h.dir.locate(ctx, q.Room, q.Make)
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (h *Host) answerHolds(_ context.Context, _ bridge.NodeID, q link.Holds) (any, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if o, ok := h.owned[q.Room]; ok {
		return link.Located{Owner: h.self, Epoch: o.epoch}, nil
	}
	return nil, bridge.Errorf(bridge.NotFound, "there is no such room")
}

func (h *Host) answerAnnounce(_ context.Context, from bridge.NodeID, q link.Announce) (any, error) {
	lost, won := h.dir.announced(from, q)
	for _, w := range won {
		loser := w.Owner
		for _, have := range q.Have {
			if have.Room != w.Room {
				continue
			}
			have.Owner = from
			h.tasks.Go(func() {
				ctx, cancel := context.WithTimeout(h.ctx, askTime)
				defer cancel()
				if _, err := h.ask(ctx, loser, link.Yield{To: have}); err != nil {
					h.log.Warn("a node does not hand a room over", "peer", string(loser), "room", string(have.Room), "err", err)
				}
			})
		}
	}
	return link.Conflicts{Rooms: lost}, nil
}

func (h *Host) answerYield(_ context.Context, _ bridge.NodeID, q link.Yield) (any, error) {
	h.yield(q.To)
	return nil, nil //nolint:nilnil // there is nothing to say
}

func (h *Host) answerAdopt(ctx context.Context, _ bridge.NodeID, q link.Adopt) (any, error) {
	h.own(q.At)
	if err := h.revive(q.Was); err != nil {
		return nil, err
	}
	h.runs(q.At.Room)
	_, _, err := h.local.TakeAll(ctx, q.At.Room, nil, nil, &q.Was, nil)
	return nil, err
}

func (h *Host) answerCreate(ctx context.Context, _ bridge.NodeID, q link.Create) (any, error) {
	id, err := bridge.Normalize(string(q.Spec.ID))
	if err != nil {
		return nil, err
	}
	h.own(link.Holding{Room: id, Owner: h.self, Epoch: q.Epoch})
	if err := h.local.Create(ctx, q.Spec); err != nil {
		return nil, err
	}
	h.runs(id)
	return nil, nil //nolint:nilnil // there is nothing to say
}

func (h *Host) answerLookUp(ctx context.Context, _ bridge.NodeID, q link.LookUp) (any, error) {
	info, err := h.local.Lookup(ctx, q.Room)
	if bridge.CodeOf(err) == bridge.NotFound {
		if to, gone := h.gone(q.Room); gone { // the home of the room has not heard of it yet
			return h.ask(ctx, to.Owner, q)
		}
	}
	if err != nil {
		return nil, err
	}
	return link.Found{Info: info}, nil
}

func (h *Host) answerList(ctx context.Context, _ bridge.NodeID, _ link.ListRooms) (any, error) {
	list, err := h.local.List(ctx)
	if err != nil {
		return nil, err
	}
	return link.Listed{Rooms: list}, nil
}

func (h *Host) answerDrain(_ context.Context, from bridge.NodeID, q link.Drain) (any, error) {
	if h.cfg.Asked == nil {
		return nil, bridge.Errorf(bridge.NotSupported, "this node cannot be drained from elsewhere")
	}
	h.log.Info("asked to drain", "on", q.On, "peer", string(from))
	h.cfg.Asked(q.On)
	return nil, nil //nolint:nilnil // there is nothing to say
}

func (h *Host) answerReport(ctx context.Context, _ bridge.NodeID, q link.Report) (any, error) {
	if h.cfg.Report == nil {
		return nil, bridge.Errorf(bridge.NotSupported, "this node reports nothing")
	}
	data, err := h.cfg.Report(ctx, q.Topic)
	if err != nil {
		return nil, err
	}
	return link.Reported{Data: data}, nil
}
