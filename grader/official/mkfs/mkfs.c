// mkfs.c - builds a disk image: mkfs image file... puts each file into the root directory.
//
// The image is made in memory and written at the end.
// A name loses its directory and a leading underscore: user/_cat becomes cat.

#include "mkfs/image.h"

#define NINODES 200

static _Alignas(uint64) unsigned char image[FSSIZE][BSIZE];
static struct superblock super;
static uint nextinode = ROOTINO;
static uint nextblock;   // blocks below are in use

static void
fail(const char *what, const char *why)
{
  fprintf(stderr, "mkfs: %s: %s\n", what, why);
  exit(1);
}

static uint
blocks_for(uint items, uint per_block)
{
  return (items + per_block - 1) / per_block;
}

// Lay the parts of the disk out, and write the superblock.
static void
lay_out(void)
{
  super.magic = FSMAGIC;
  super.size = FSSIZE;
  super.ninodes = NINODES;
  super.nlog = LOGBLOCKS + 1;   // and its header
  super.logstart = 2;           // after the boot block and this one
  super.inodestart = super.logstart + super.nlog;
  super.bmapstart = super.inodestart + blocks_for(NINODES, IPB);
  nextblock = super.bmapstart + blocks_for(FSSIZE, BPB);
  super.nblocks = FSSIZE - nextblock;
  memcpy(image[1], &super, sizeof(super));
}

static struct dinode *
inode(uint inum)
{
  return (struct dinode *)image[IBLOCK(inum, super)] + inum % IPB;
}

static uint
new_inode(short type, const char *what)
{
  if (nextinode == NINODES)
    fail(what, "too many files for the disk's inodes");
  struct dinode *ip = inode(nextinode);
  ip->type = type;
  ip->nlink = 1;
  return nextinode++;
}

static uint
new_block(const char *what)
{
  if (nextblock == FSSIZE)
    fail(what, "does not fit: the disk is full");
  return nextblock++;
}

// Where block number which of a file is to be found, which may be one more than it has.
static unsigned char *
file_block(struct dinode *ip, uint which, const char *what)
{
  if (which >= MAXFILE)
    fail(what, "is larger than a file can be");
  uint *where = &ip->addrs[which];
  if (which >= NDIRECT) {
    if (ip->addrs[NDIRECT] == 0)
      ip->addrs[NDIRECT] = new_block(what);
    where = (uint *)image[ip->addrs[NDIRECT]] + (which - NDIRECT);
  }
  if (*where == 0)
    *where = new_block(what);
  return image[*where];
}

// Add n bytes to the end of a file.
static void
append(uint inum, const void *data, uint n, const char *what)
{
  struct dinode *ip = inode(inum);
  const unsigned char *from = data;
  while (n > 0) {
    uint at = ip->size % BSIZE;
    uint k = n < BSIZE - at ? n : BSIZE - at;
    memcpy(file_block(ip, ip->size / BSIZE, what) + at, from, k);
    ip->size += k;
    from += k;
    n -= k;
  }
}

static void
enter(uint dir, const char *name, uint inum)
{
  struct dirent e = { .inum = inum };
  memcpy(e.name, name, strlen(name));
  append(dir, &e, sizeof(e), name);
}

// The name that a file gets on the disk.
static const char *
disk_name(const char *path)
{
  const char *slash = strrchr(path, '/');
  const char *name = slash ? slash + 1 : path;
  if (name[0] == '_')
    name++;
  if (strlen(name) == 0 || strlen(name) > DIRSIZ)
    fail(path, "a name on the disk has 1 to 14 bytes");
  return name;
}

static void
fail_if_taken(uint root, const char *name, const char *path)
{
  struct dinode *ip = inode(root);
  for (uint off = 0; off < ip->size; off += sizeof(struct dirent)) {
    struct dirent *e = (struct dirent *)(file_block(ip, off / BSIZE, path) + off % BSIZE);
    if (strncmp(e->name, name, DIRSIZ) == 0)
      fail(path, "an earlier file has the same name");
  }
}

// Copy a file of the host into directory root.
static void
add_file(uint root, const char *path)
{
  const char *name = disk_name(path);
  fail_if_taken(root, name, path);
  FILE *f = fopen(path, "rb");
  if (f == 0)
    fail(path, "can't be opened");
  uint inum = new_inode(T_FILE, path);
  unsigned char piece[BSIZE];
  size_t n;
  while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
    append(inum, piece, n, path);
  if (ferror(f))
    fail(path, "can't be read");
  fclose(f);
  enter(root, name, inum);
}

// Mark all blocks in use, those before the data included.
static void
write_bitmap(void)
{
  for (uint b = 0; b < nextblock; b++)
    image[BBLOCK(b, super)][b % BPB / 8] |= 1 << (b % 8);
}

// The image appears under its name only when it is whole.
static void
write_image(const char *path)
{
  char draft[4096];
  if (snprintf(draft, sizeof(draft), "%s.new", path) >= (int)sizeof(draft))
    fail(path, "the name is too long");
  FILE *f = fopen(draft, "wb");
  if (f == 0)
    fail(draft, "can't be created");
  size_t n = fwrite(image, BSIZE, FSSIZE, f);
  if (fclose(f) != 0 || n != FSSIZE || rename(draft, path) != 0) {
    remove(draft);
    fail(path, "can't be written; is the disk full?");
  }
}

int
main(int argc, char *argv[])
{
  if (argc < 2) {
    fprintf(stderr, "usage: mkfs image file...\n");
    return 1;
  }
  lay_out();
  uint root = new_inode(T_DIR, "/");
  enter(root, ".", root);
  enter(root, "..", root);
  for (int i = 2; i < argc; i++)
    add_file(root, argv[i]);
  write_bitmap();
  write_image(argv[1]);
  return 0;
}
