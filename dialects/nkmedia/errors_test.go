package nkmedia

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"dragoman/bridge"
)

// TestEveryCode: one table says what becomes of each code of the room model, and
// README.md says the same.
func TestEveryCode(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range bridge.Codes() {
		code, ok := outcomes[c]
		if !ok || texts[code] == "" {
			t.Errorf("%v: %d", c, code)
		}
		f, told := faultOf(bridge.Errorf(c, "x"))
		if !told || f.Code != code || f.Text != texts[code] {
			t.Errorf("%v is told as %v", c, f)
		}
		if line := fmt.Sprintf("%d `%s`", code, texts[code]); !strings.Contains(string(readme), line) {
			t.Errorf("README.md does not have %s", line)
		}
	}
	if len(outcomes) != len(bridge.Codes()) {
		t.Errorf("there are %d codes, and outcomes for %d", len(bridge.Codes()), len(outcomes))
	}
	if _, told := faultOf(errors.New("x")); told {
		t.Error("an error of the connection is told to the client")
	}
	if f := refuse(syntaxError, "offer", "sdp"); f.Text != "Syntax error: offer.sdp" || f.Error() != "100044 Syntax error: offer.sdp" {
		t.Errorf("a fault is %v", f)
	}
	if f := refuse(unknownCommand, "a~b"); f.Text != "Unknown command 'a~b'" {
		t.Errorf("a fault is %v", f)
	}
}
