require ["foreverypart", "variables", "extracttext"];
break;
