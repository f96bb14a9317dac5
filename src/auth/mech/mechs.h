/* SPDX-License-Identifier: MIT */
/*
 * auth/mech/mechs.h - every mechanism; mech/table.c lists them.
 */
#ifndef AUTH_MECH_MECHS_H
#define AUTH_MECH_MECHS_H
struct mech;

extern const struct mech mech_login;
extern const struct mech mech_plain;

#endif
