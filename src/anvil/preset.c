/* SPDX-License-Identifier: MIT */
#include "config/setting.h"

CONFIG_PRESET(anvil,
	      "service anvil {\n"
	      "  executable = anvil\n"
	      "  type = anvil\n"
	      "  user = $default_internal_user\n"
	      "  chroot = empty\n"
	      "  process_limit = 1\n"
	      "  process_min_avail = 1\n"
	      "  idle_kill = 4294967295 secs\n"
	      "  unix_listener anvil {\n"
	      "  }\n" PRESET_UNIX_LOGIN("login/anvil")
		      PRESET_UNIX_INTERNAL("anvil-auth-penalty", "0600") "}\n");
