require ["fileinto", "fcc"];
fileinto :fcc "a" "b";
