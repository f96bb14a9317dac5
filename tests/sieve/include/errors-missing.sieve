require "include";
include "nothere";
include "a/b";
