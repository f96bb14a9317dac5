require ["vnd.dovecot.testsuite", "imap4flags", "relational",
	"comparator-i;ascii-numeric"];
test_result_reset;
test_message :folder "marked" 0;
if not hasflag :count "eq" :comparator "i;ascii-numeric" "3" { test_fail "marked: count"; }
if not hasflag "\\Answered" { test_fail "marked: answered"; }
if not hasflag "\\Flagged" { test_fail "marked: flagged"; }
if not hasflag "new" { test_fail "marked: new"; }
test_result_reset;
test_message :folder "unmarked" 0;
if not hasflag :count "eq" :comparator "i;ascii-numeric" "2" { test_fail "unmarked: count"; }
if hasflag "\\Flagged" { test_fail "unmarked: flagged"; }
