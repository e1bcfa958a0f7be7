package spreed

import "time"

// The times of the protocol (reference 2, 4, 12, 14) and of the bridge.
const (
	pingTime  = 54 * time.Second
	pongTime  = 60 * time.Second
	writeTime = 10 * time.Second

	resumeLife      = 30 * 24 * time.Hour // of a resume token
	attestLife      = 300 * time.Second   // of an attestation
	attestRotate    = 180 * time.Second   // an older one is replaced
	nonceLife       = 60 * time.Second    // of an authentication nonce
	graceTime       = 30 * time.Second    // a lost client keeps its seat, while its calls go on
	handoverTime    = 10 * time.Second    // a client that came back may take to say Hello
	askTime         = 2 * time.Second     // another session may take to answer
	negotiationTime = 10 * time.Second    // the engine may take for one description
	steadyTime      = 30 * time.Second    // one document or event may take in all
	answerTime      = 35 * time.Second    // a client may take to answer, with its user
	consentTime     = 40 * time.Second    // the other side of a call may take in all
	idleTime        = 5 * time.Second     // a client may take to call after a Conference document (14.14)
	redialFirst     = time.Second         // until the first redial
	redialMost      = 30 * time.Second    // between later ones
	redials         = 10                  // until somebody comes or goes
	farewellTime    = time.Second         // for the last words on a data channel
	otherTime       = time.Second         // from the first track of a client to the other one
)
