require "extlists";
redirect :list "urn:x:none";
