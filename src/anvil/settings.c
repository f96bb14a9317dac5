/* SPDX-License-Identifier: MIT */
#include "config/setting.h"

/* Those who report sessions and penalties run as the internal user, too. */
CONFIG_PRESET(anvil, "service anvil {\n"
		     "  chroot = empty\n"
		     "  executable = anvil\n"
		     "  idle_kill = 4294967295 secs\n"
		     "  process_limit = 1\n"
		     "  process_min_avail = 1\n"
		     "  type = anvil\n"
		     "  user = $default_internal_user\n"
		     "  unix_listener anvil-auth-penalty {\n"
		     "    mode = 0600\n"
		     "    user = $default_internal_user\n"
		     "  }\n"
		     "  unix_listener anvil {\n"
		     "    mode = 0600\n"
		     "    user = $default_internal_user\n"
		     "  }\n"
		     "}\n");
