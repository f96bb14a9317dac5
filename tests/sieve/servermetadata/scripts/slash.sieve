require "servermetadata";
if servermetadataexists "private" { keep; }
