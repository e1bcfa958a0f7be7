package k3k

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// untold are the events of which clients are told nothing, and why.
var untold = map[string]string{
	"Admitted":      "answered in the waiting room (join.go)",
	"Entered":       "answered in the waiting room (join.go)",
	"Ending":        "closes_at is told at the join; the end itself is Ended",
	"Recording":     "the module is off",
	"Quality":       "no message",
	"Wanted":        "no message to pause a layer",
	"SeenBy":        "clients know their own marks only",
	"TypingNow":     "no message",
	"Invited":       "no message",
	"PeerCandidate": "candidates are in the descriptions",
	"PeerNegotiate": "there is no renegotiation",
	"PeerChannel":   "no data channels",
	"PeerMessage":   "no data channels",
	"PeerHeard":     "the session makes Talking of it",
	"PeerSilence":   "the session makes PublicationChanged of it",
}

// TestEveryEvent: each event of the room model is rendered, or known not to be;
// and README.md says so.
func TestEveryEvent(t *testing.T) {
	told := map[string]bool{}
	for kind := range renderers {
		told[kind.Name()] = true
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	all := eventNames(t)
	for _, name := range all {
		switch why := untold[name]; {
		case told[name] && why != "":
			t.Errorf("%s is rendered and said to be untold", name)
		case !told[name] && why == "":
			t.Errorf("%s is not rendered, and nobody says why", name)
		case !told[name] && !strings.Contains(string(readme), "`"+name+"`"):
			t.Errorf("README.md does not say what becomes of %s", name)
		}
	}
	if len(told)+len(untold) != len(all) {
		t.Errorf("%d events are told and %d are not, but there are %d", len(told), len(untold), len(all))
	}
}

// eventNames returns the types of package bridge that are events: those with a
// method key.
func eventNames(t *testing.T) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../bridge/events.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv == nil || f.Name.Name != "key" {
			continue
		}
		if name, ok := f.Recv.List[0].Type.(*ast.Ident); ok {
			names = append(names, name.Name)
		}
	}
	if len(names) == 0 {
		t.Fatal("no events")
	}
	return names
}
