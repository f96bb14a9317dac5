require "vacation"; vacation :addresses ["nobody", "Me <me@example.org>"] "gone";
