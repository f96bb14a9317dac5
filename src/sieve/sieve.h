/* SPDX-License-Identifier: MIT */
/*
 * sieve/sieve.h - the Sieve engine (RFC 5228): a library that knows messages
 * and envelopes, but no storage.
 *
 *	sieve_engine_new()	settings and extensions, once per user
 *	sieve_script_open()	a script, compiled or from its binary
 *	sieve_program_run()	-> struct sieve_result, actions to carry out
 *	sieve_outgoing()	the mails that an action sends
 *
 * ext.h is for extensions.
 */
#ifndef SIEVE_SIEVE_H
#define SIEVE_SIEVE_H
#include "sieve/action.h"
#include "sieve/engine.h"
#include "sieve/host.h"
#include "sieve/message.h"
#include "sieve/outgoing.h"
#include "sieve/result.h"
#include "sieve/script.h"

#endif
