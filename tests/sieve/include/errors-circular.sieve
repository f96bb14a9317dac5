require "include";
include "circular";
