require ["fileinto","variables","relational","comparator-i;ascii-numeric","copy","subaddress"];
if address :count "eq" :comparator "i;ascii-numeric" :domain "to" "0" { fileinto "count0"; }
if address :count "eq" :comparator "i;ascii-numeric" :domain "to" "1" { fileinto "count1"; }
if address :count "eq" :comparator "i;ascii-numeric" :domain "to" "2" { fileinto "count2"; }
if address :count "eq" :comparator "i;ascii-numeric" :domain "to" "3" { fileinto "count3"; }
if address :matches :domain "to" "*" { fileinto "m-${0}"; } if address :domain "to" "broken" { fileinto "is-broken"; }
if address :domain "to" "e@f.g" { fileinto "is-e@f.g"; }
if address :domain "to" "a@b.c" { fileinto "is-a@b.c"; }
if address :domain "to" "alice" { fileinto "is-alice"; }
if address :domain "to" "d" { fileinto "is-d"; }
if address :domain "to" "" { fileinto "is-"; }
if address :domain "to" "a b c <x@y> junk" { fileinto "is-a b c <x@y> junk"; }
