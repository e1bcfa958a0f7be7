package link

import (
	"slices"
	"time"

	"dragoman/bridge"
)

// What nodes say to each other about themselves and their streams.
type (
	// Hello begins a control stream, from both ends.
	Hello struct{ Proto uint8 }
	// Beat says that the node lives. It comes every second.
	Beat struct{}
	// Call asks the node that has dialled to open a stream, for the one that was
	// dialled and cannot.
	Call struct{ Stream uint64 }
	// Called begins the stream that a Call asked for.
	Called struct{ Stream uint64 }
)

// Questions, each on a stream of its own, and their answers.
type (
	// Locate asks the home of a room who owns it. With Make it is decided where the
	// room is to be, if nobody has it. The answer is Located; NotFound.
	Locate struct {
		Room bridge.RoomID
		Make bool
	}
	// Located is where a room is, or is to be.
	Located struct {
		Owner bridge.NodeID
		Epoch uint64
	}
	// Holds asks whether a node owns a room. The answer is Located; NotFound.
	Holds struct{ Room bridge.RoomID }
	// Announce tells the home of rooms that the asking node has, or had, them. The
	// answer is Conflicts: those that an older owner has.
	Announce struct {
		Have []Holding
		Gone []bridge.RoomID
	}
	// Holding is a room of a node.
	Holding struct {
		Room  bridge.RoomID
		Owner bridge.NodeID
		Epoch uint64
	}
	// Conflicts are rooms that the asking node must hand over to their owners.
	Conflicts struct{ Rooms []Holding }
	// Yield tells the owner of a room that an older owner has it, too. No answer but
	// an error.
	Yield struct{ To Holding }
	// Adopt gives a room that is handed over to its new owner. Its people are expected: they are
	// brought by their nodes. No answer but an error.
	Adopt struct {
		At  Holding
		Was bridge.State
	}
	// Create makes a room at the asked node. No answer but an error.
	Create struct {
		Spec  bridge.Spec
		Epoch uint64
	}
	// LookUp asks the owner of a room about it. The answer is Found.
	LookUp struct{ Room bridge.RoomID }
	// Found tells of a room.
	Found struct{ Info bridge.Info }
	// ListRooms asks a node for the rooms that it owns. The answer is Listed.
	ListRooms struct{}
	// Listed tells of rooms.
	Listed struct{ Rooms []bridge.Info }
	// Drain asks a node to make ready to go, or to take that back. No answer but an
	// error.
	Drain struct{ On bool }
	// Report asks a node how something of it does, for an operator who sees all nodes
	// from one. The answer is Reported.
	Report struct{ Topic string }
	// Reported is what it says, in the form of the topic.
	Reported struct{ Data []byte }
	// Release asks a node to give up a seat that a client has left by a token, because
	// the client is at the asking node now. The answer is Released; NotFound: it was not
	// left there.
	Release struct{ Token bridge.ResumeToken }
	// Released is a seat that may be taken again: see bridge.JoinRequest.
	Released struct {
		Room bridge.RoomID
		ID   bridge.ParticipantID
	}
)

// Relays of media between two nodes. RelayEnd and RelayBye are questions, the others go
// over a stream from the node that wants media to the one that has it.
type (
	// RelayEnd tells what the other end of a relay has to know to reach this one. The
	// answer is a RelayEnd. Exists: the asked node opens one itself.
	RelayEnd struct {
		Relay       uint64 // which, among those of these two nodes
		Ufrag       string
		Password    bridge.Secret
		Candidates  []string
		Fingerprint string
	}
	// RelayBye says that an end of a relay is closed. No answer but an error.
	RelayBye struct{ Relay uint64 }
	// RelayPull says what is wanted, and what is not any more. The first of a stream is
	// all that is wanted: what was asked for before and is not in it is not wanted.
	RelayPull struct {
		Relay   uint64
		Watch   []RelayWatch           // publications to be told about
		Take    []RelayTake            // layers to be sent
		Drop    []uint32               // SSRCs of layers that are not to be sent any more
		Unwatch []bridge.PublicationID // and all their layers
	}
	// RelayWatch is a publication of a room.
	RelayWatch struct {
		Room bridge.RoomID
		ID   bridge.PublicationID
	}
	// RelayTake is a layer, and the SSRC that it is to have.
	RelayTake struct {
		ID    bridge.PublicationID
		Track bridge.Track
		RID   string
		SSRC  uint32
	}
	// RelayOffers tells what there is of publications that are watched, when it has
	// changed, and which layers are not sent.
	RelayOffers struct {
		Of      []RelayOffer
		Refused []uint32
	}
	// RelayOffer is what a node has of a publication.
	RelayOffer struct {
		ID        bridge.PublicationID
		Here      bool // a client of the node feeds it, and the asking node may have it
		Talking   bool
		Open      bool // the gate of its sound
		OpenVideo bool
		Sound     bool
		Layers    []RelayLayer // of its video, lowest first
	}
	// RelayLayer is a layer that can be had.
	RelayLayer struct {
		RID           string
		Width, Height int
		Bitrate       int // bit/s
	}
	// Place asks the owner of a room on which nodes streams come from, and whether a
	// node has a seat that may receive them. The answer is Placed.
	Place struct {
		Room bridge.RoomID
		Pubs []bridge.PublicationID
		Node bridge.NodeID
	}
	// Placed tells them, in the order of Pubs; empty: not known.
	Placed struct {
		At   []bridge.NodeID
		Sits bool
	}
)

// A stream of one edge to one room.
type (
	// Attach begins it. Claims are the seats that the edge has already; Was is what
	// it knows of the room, for an owner that has to open it anew. The answer is
	// Attached.
	Attach struct {
		Room   bridge.RoomID
		Epoch  uint64
		Claims []bridge.Claim
		Was    *bridge.State
	}
	// Attached tells the room as it is, and which claims hold, in their order.
	Attached struct {
		State *bridge.State // only if there were claims
		Taken []bool
	}
	// Join takes a seat. The answer is Seated.
	Join struct{ Request bridge.JoinRequest }
	// Seated is the room as the new seat sees it.
	Seated struct{ At bridge.Snapshot }
	// Leave gives a seat up.
	Leave struct{ Reason bridge.Reason }
	// Away tells that a client is away from its seat, or back.
	Away struct {
		Away  bool
		Grace time.Duration
	}
	// Retake asks for the room anew; the answer is Seated.
	Retake struct{}
	// Restart says that what follows is newer than the Seated that comes.
	Restart struct{}
	// Over says that a seat is lost; Err of the envelope says why.
	Over struct{}
	// Moving says that the room goes on at another node. It is the last of a stream.
	Moving struct{ To Holding }
)

// table is every type that goes over links by its name: what is above, all commands,
// and all events but those of a session's own peers.
func table() []any { return slices.Concat(messages(), commands(), events()) }

func messages() []any {
	return []any{
		Hello{},
		Beat{},
		Call{},
		Called{},
		Locate{},
		Located{},
		Holds{},
		Announce{},
		Conflicts{},
		Yield{},
		Adopt{},
		Create{},
		LookUp{},
		Found{},
		ListRooms{},
		Listed{},
		Drain{},
		Report{},
		Reported{},
		RelayEnd{},
		RelayBye{},
		RelayPull{},
		RelayOffers{},
		Place{},
		Placed{},
		Release{},
		Released{},
		Attach{},
		Attached{},
		Join{},
		Seated{},
		Leave{},
		Away{},
		Retake{},
		Restart{},
		Over{},
		Moving{},
	}
}

func commands() []any {
	return []any{
		bridge.Enter{},
		bridge.Rename{},
		bridge.SetAttrs{},
		bridge.RaiseHand{},
		bridge.ReportTalking{},
		bridge.ReportQuality{},
		bridge.Publish{},
		bridge.SetTrack{},
		bridge.Unpublish{},
		bridge.Subscribe{},
		bridge.Unsubscribe{},
		bridge.Want{},
		bridge.Mute{},
		bridge.SetRole{},
		bridge.Permit{},
		bridge.LowerHands{},
		bridge.Kick{},
		bridge.Admit{},
		bridge.SendToWaiting{},
		bridge.MoveTo{},
		bridge.Say{},
		bridge.Typing{},
		bridge.Seen{},
		bridge.ClearChat{},
		bridge.Send{},
		bridge.PutDoc{},
		bridge.Lock{},
		bridge.SetSecrets{},
		bridge.Describe{},
		bridge.SetEnd{},
		bridge.SetWaitingRoom{},
		bridge.AllowHands{},
		bridge.AllowChat{},
		bridge.SetMax{},
		bridge.Record{},
		bridge.CloseRoom{},
		bridge.Touch{},
	}
}

func events() []any {
	return []any{
		bridge.RoomChanged{},
		bridge.Ending{},
		bridge.Recording{},
		bridge.Ended{},
		bridge.Relocated{},
		bridge.Joined{},
		bridge.Left{},
		bridge.Knocked{},
		bridge.Admitted{},
		bridge.Entered{},
		bridge.Changed{},
		bridge.HandsLowered{},
		bridge.Published{},
		bridge.PublicationChanged{},
		bridge.Unpublished{},
		bridge.Talking{},
		bridge.Quality{},
		bridge.Wanted{},
		bridge.Said{},
		bridge.ChatCleared{},
		bridge.SeenBy{},
		bridge.TypingNow{},
		bridge.Data{},
		bridge.DocChanged{},
		bridge.Kicked{},
		bridge.MuteAsked{},
		bridge.Invited{},
		bridge.Estate{},
	}
}
