require "relational";
if header :value "xx" "a" "b" {}
if header :count :is "a" "b" {}
if header :value "a" {}
