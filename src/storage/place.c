/* SPDX-License-Identifier: MIT */
#include "storage/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"

const struct place_probe place_system = {
	.statfs = statfs,
	.mountinfo = "/proc/self/mountinfo",
};

enum { FUSE_MAGIC = 0x65735546, MOUNTINFO_MAX = 4 * 1048576 };

/* f_type of file systems that more than one host writes to; statfs(2), and the
 * file systems' own headers. */
static const struct {
	uint32_t magic;
	const char *name;
} shared[] = {
	{0x6969, "NFS"},        {0x517b, "SMB"},        {0xff534d42, "CIFS"},
	{0xfe534d42, "SMB"},    {0x5346414f, "AFS"},    {0x6b414653, "AFS"},
	{0x73757245, "Coda"},   {0x564c, "NCP"},        {0x00c36400, "Ceph"},
	{0x01021997, "9P"},     {0x01161970, "GFS2"},   {0x7461636f, "OCFS2"},
	{0x0bd00bd0, "Lustre"}, {0x47504653, "GPFS"},   {0xaad7aaea, "PanFS"},
	{0xbacbacbc, "vmhgfs"}, {0x19830326, "BeeGFS"}, {0xbeefdead, "SNFS"},
	{0x786f4256, "vboxsf"}, {0x013111a8, "IBRIX"},
};

/* What runs in user space tells only by its name in the mount table. */
static const char *const shared_fuse[] = {
	"ceph-fuse", "curlftpfs", "davfs", "davfs2",    "gcsfuse", "glusterfs",
	"goofys",    "juicefs",   "mfs",   "moosefs",   "nfs",     "rclone",
	"s3fs",      "saunafs",   "smb",   "seaweedfs", "sshfs",
};

static const char *shared_name(uint32_t magic)
{
	for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++) {
		if (shared[i].magic == magic)
			return shared[i].name;
	}
	return NULL;
}

/* "36 35 98:0 /root /mount options - fuse.sshfs source options" (proc(5)):
 * the type, if it is the mount of that device. */
static bool type_of_line(struct str line, const char *device,
			 struct str *type_out)
{
	struct str word;
	bool ours = false, after = false;

	for (unsigned n = 0; str_word(&line, &word); n++) {
		if (n == 2)
			ours = str_is(word, device);
		if (after) {
			*type_out = word;
			return ours;
		}
		after = str_is(word, "-");
	}
	return false;
}

/* The shared file system in user space that `dir` is on, or NULL. */
static const char *fuse_name(const struct place_probe *probe, const char *dir)
{
	CLEANUP(buf_free) struct buf text = buf_init(MOUNTINFO_MAX);
	struct str rest, line, type;
	char device[32];
	struct err err;
	struct stat st;

	if (stat(dir, &st) < 0 || file_read(probe->mountinfo, &text, &err) < 0)
		return NULL;
	snprintf(device, sizeof(device), "%u:%u", major(st.st_dev),
		 minor(st.st_dev));
	rest = str_n(text.data, text.len);
	while (str_split(&rest, '\n', &line)) {
		if (!type_of_line(line, device, &type) ||
		    !str_starts(type, "fuse."))
			continue;
		type = str_from(type, 5);
		for (size_t i = 0;
		     i < sizeof(shared_fuse) / sizeof(shared_fuse[0]); i++) {
			if (str_is(type, shared_fuse[i]))
				return shared_fuse[i];
		}
	}
	return NULL;
}

int place_check(const struct place_probe *probe, const char *dir,
		struct err *err)
{
	const char *name;
	struct statfs fs;

	if (probe->statfs(dir, &fs) < 0)
		return err_sys(err, "statfs(%s)", dir);
	name = shared_name((uint32_t)fs.f_type);
	if (name == NULL && (uint32_t)fs.f_type == FUSE_MAGIC)
		name = fuse_name(probe, dir);
	if (name == NULL)
		return 0;
	return err_set(err, ERR_TEMPORARY,
		       "%s is on a network file system (%s), where an index "
		       "can't be: put it on a local disk "
		       "(mail_location = ...:INDEX=/var/lib/dovetail/%%u) or "
		       "in memory (INDEX=MEMORY)",
		       dir, name);
}
