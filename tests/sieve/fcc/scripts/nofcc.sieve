require ["vacation", "fcc", "mailbox"];
vacation :create "away";
