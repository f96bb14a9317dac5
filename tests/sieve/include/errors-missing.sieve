require "include";
include "nothere";
include "a/b";
include "a b";
include "ab";
