require "include";
include "errors";
