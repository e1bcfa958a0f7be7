package nkmedia

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// untold are the events of the room model that nobody here is told, and why.
var untold = map[string]string{
	"RoomChanged":   "no message; what is enforced is enforced",
	"Ending":        "no message; the end itself is Ended",
	"Recording":     "no message",
	"Relocated":     "the seat is lost, and with it its sessions",
	"HandsLowered":  "no hands",
	"Talking":       "no message",
	"Quality":       "no message",
	"Wanted":        "the server chooses",
	"ChatCleared":   "the log that is asked for later is empty",
	"SeenBy":        "no message",
	"TypingNow":     "no message",
	"MuteAsked":     "no message",
	"Invited":       "no message",
	"PeerCandidate": "candidates are in the descriptions",
	"PeerTrack":     "what is published is known from its description",
	"PeerChannel":   "data channels carry nothing",
	"PeerMessage":   "data channels carry nothing",
	"PeerHeard":     "the session makes Talking of it",
	"PeerSilence":   "the session makes PublicationChanged of it",
}

// TestEveryEvent: each event of the room model is acted on, or known not to be; and
// README.md says so.
func TestEveryEvent(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	told := handled(t)
	all := eventNames(t)
	for _, name := range all {
		switch why := untold[name]; {
		case told[name] && why != "":
			t.Errorf("%s is acted on and said not to be", name)
		case !told[name] && why == "":
			t.Errorf("%s is not acted on, and nobody says why", name)
		case !told[name] && !strings.Contains(string(readme), "`"+name+"`"):
			t.Errorf("README.md does not say what becomes of %s", name)
		}
	}
}

// handled returns the events that the code of this package looks at.
func handled(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	cases := regexp.MustCompile(`(?:case |e\.\()bridge\.(\w+)[:)]`)
	all := map[string]bool{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, m := range cases.FindAllStringSubmatch(string(text), -1) {
			all[m[1]] = true
		}
	}
	return all
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
