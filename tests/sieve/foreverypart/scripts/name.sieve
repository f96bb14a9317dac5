require ["foreverypart", "variables", "extracttext"];
foreverypart :name "a" { break :name "b"; }
