package driver

import "testing"

func TestTable(t *testing.T) {
	var table Table
	for _, l := range []string{"x", "y"} {
		for _, s := range []string{"x", "y"} {
			for _, c := range Columns() {
				switch {
				case c == "chat" && (l == "y" || s == "y"):
					table.Unable(c, l, s)
				case c != "leave" || l != s:
					table.Got(c, l, s)
				}
			}
		}
	}
	const want = `got from  x         y         
x         AVSCM!    AVS-ML    
y         AVS-ML    AVS-M!    
A  audio   4 of 4
V  video   4 of 4
S  screen  4 of 4
C  chat    1 of 1; 3 cannot
M  mute    4 of 4
L  leave   2 of 4`
	if got := table.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
