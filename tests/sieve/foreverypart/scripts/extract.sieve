require ["foreverypart", "variables", "extracttext"];
extracttext "a";
