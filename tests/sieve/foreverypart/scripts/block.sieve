require ["foreverypart", "variables", "extracttext"];
foreverypart;
