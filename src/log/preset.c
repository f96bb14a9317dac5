/* SPDX-License-Identifier: MIT */
#include "config/setting.h"

CONFIG_PRESET(log, "service log {\n"
		   "  executable = log\n"
		   "  type = log\n"
		   "  process_limit = 1\n"
		   "  idle_kill = 4294967295 secs\n"
		   "  unix_listener log-errors {\n"
		   "  }\n"
		   "}\n");
