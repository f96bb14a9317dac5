/* SPDX-License-Identifier: MIT */
/*
 * master/protocol.h - what `doveadm` asks the master on the socket base_dir/
 * MASTER_SOCKET (mode 0600): lines, fields divided by TAB.
 *
 *	VERSION TAB master-client TAB 1 TAB 0
 *		first, from both sides; another major number ends the talk
 *	SERVICE-STATUS [TAB name...]
 *		a line per service, then an empty one:
 *		name process_count process_avail process_limit client_limit
 *		throttle_secs exit_failure_last exit_failures_in_sec
 *		last_drop_warning listen_pending(y/n) listening(y/n)
 *		doveadm_stop(y/n) process_total
 *	PROCESS-STATUS [TAB name...]
 *		a line per process, then an empty one:
 *		name pid available_count total_count idle_start
 *		last_status_update last_kill_sent
 *	SERVICE-STOP TAB name
 *		the service takes nobody until the next reload; its clients go
 *		on. Answer: "+", or "-" TAB reason
 *	RELOAD
 *		read the configuration again, as for SIGHUP. Answer: "+", or
 *		"-" TAB reason, whose lines and tabs are escaped as in other
 *		line protocols; "" if only the log has it
 *
 * Times are in seconds since 1970, 0 for never. The order of the columns is
 * that of Dovecot's `doveadm service status` and `doveadm process status`.
 */
#ifndef MASTER_PROTOCOL_H
#define MASTER_PROTOCOL_H

#define MASTER_SOCKET "master"
#define MASTER_PID_FILE "master.pid"
#define MASTER_VERSION "VERSION\tmaster-client\t1\t0"

enum { MASTER_LINE_MAX = 8192 };

#endif
