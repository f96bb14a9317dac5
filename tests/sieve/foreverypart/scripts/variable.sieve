require ["foreverypart", "variables", "extracttext"];
set "a" "b";
foreverypart :name "${a}" { keep; }
