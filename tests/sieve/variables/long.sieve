# 5000 octets, cut to 4096
require ["variables", "relational", "comparator-i;ascii-numeric"];
set "a" "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";
set "a" "${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}";
set "a" "${a}${a}${a}${a}${a}";
set :length "n" "${a}";
if string :value "eq" :comparator "i;ascii-numeric" "${n}" "4096" { discard; }
