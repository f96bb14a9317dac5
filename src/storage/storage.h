/* SPDX-License-Identifier: MIT */
/*
 * storage/storage.h - the only face of storage that sessions and deliveries
 * see: users, namespaces, mailboxes, mails, saving, searching, sorting,
 * threading.
 */
#ifndef STORAGE_STORAGE_H
#define STORAGE_STORAGE_H

#include "storage/attribute.h"
#include "storage/list.h"
#include "storage/mail.h"
#include "storage/mailbox.h"
#include "storage/quota.h"
#include "storage/save.h"
#include "storage/search.h"
#include "storage/settle.h"
#include "storage/sort.h"
#include "storage/thread.h"
#include "storage/user.h"

#endif
