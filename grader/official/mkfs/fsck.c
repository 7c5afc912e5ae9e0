// fsck.c - checks a disk image: fsck [-o] image
//
// Prints each problem on a line. Exit status: 0 clean, 1 problems, 2 the image can't be read.
// What the log holds is replayed first, in memory: the image itself is never changed.
// Files without a name ("orphans") are a problem: the kernel deletes them when it boots. With -o
// they are not, for the image of a machine that was killed while such files were open.

#include <stdarg.h>
#include "mkfs/image.h"

static unsigned char (*image)[BSIZE];
static uint imageblocks;
static struct superblock super;
static uint datastart;        // first data block
static int orphans_allowed;
static int problems;

static uint *owner;           // for each block, the inode that uses it, or 0
static int *links;            // for each inode, how many entries in directories count as its links
static char *reached;         // for each inode, a path leads to it

static void __attribute__((format(printf, 1, 2)))
problem(const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  vprintf(fmt, args);
  va_end(args);
  putchar('\n');
  problems++;
}

static void *
zeroed(size_t n, size_t size)
{
  void *p = calloc(n, size);
  if (p == 0) {
    fprintf(stderr, "fsck: out of memory\n");
    exit(2);
  }
  return p;
}

// ---- The image, its superblock and its log.

static void
cannot_read(const char *path)
{
  fprintf(stderr, "fsck: ");
  perror(path);
  exit(2);
}

static void
read_image(const char *path)
{
  FILE *f = fopen(path, "rb");
  if (f == 0 || fseek(f, 0, SEEK_END) != 0)
    cannot_read(path);
  long size = ftell(f);
  rewind(f);
  imageblocks = size > 0 ? size / BSIZE : 0;
  if (imageblocks < 2) {
    fprintf(stderr, "fsck: %s: too short for a disk image\n", path);
    exit(2);
  }
  image = zeroed(imageblocks, BSIZE);
  if (fread(image, BSIZE, imageblocks, f) != imageblocks)
    cannot_read(path);
  fclose(f);
}

// Do the parts of the disk follow one another and fit? If not, nothing else can be checked.
static int
superblock_ok(void)
{
  memcpy(&super, image[1], sizeof(super));
  if (super.magic != FSMAGIC) {
    problem("superblock: magic number %#x, should be %#x", super.magic, FSMAGIC);
    return 0;
  }
  uint64 inodeblocks = ((uint64)super.ninodes + IPB - 1) / IPB;
  uint64 mapblocks = ((uint64)super.size + BPB - 1) / BPB;
  uint64 data = super.bmapstart + mapblocks;
  if (super.size > imageblocks)
    problem("superblock: %u blocks, but the image has %u", super.size, imageblocks);
  else if (super.logstart < 2 || super.nlog < 2 || super.ninodes < 2)
    problem("superblock: no room for log or inodes");
  else if ((uint64)super.logstart + super.nlog > super.inodestart ||
           super.inodestart + inodeblocks > super.bmapstart || data > super.size)
    problem("superblock: log, inodes and bitmap overlap, or reach past the end");
  else if (super.nblocks != super.size - data)
    problem("superblock: %u data blocks, should be %u", super.nblocks, super.size - (uint)data);
  else {
    datastart = data;
    return 1;
  }
  return 0;
}

// Do what the kernel does at boot: copy committed blocks to their places.
static void
replay_log(void)
{
  struct logheader h;
  memcpy(&h, image[super.logstart], sizeof(h));
  if (h.n > LOGBLOCKS || h.n >= super.nlog) {
    problem("log: counts %u blocks, can hold %u", h.n, super.nlog - 1);
    return;
  }
  for (uint i = 0; i < h.n; i++) {
    if (h.block[i] < super.inodestart || h.block[i] >= super.size)
      problem("log: entry %u is for block %u, where no file system data lies", i, h.block[i]);
    else
      memcpy(image[h.block[i]], image[super.logstart + 1 + i], BSIZE);
  }
}

// ---- Inodes and the blocks that they use.

static struct dinode *
inode(uint inum)
{
  return (struct dinode *)image[IBLOCK(inum, super)] + inum % IPB;
}

static int
is_data_block(uint b)
{
  return b >= datastart && b < super.size;
}

// Inode inum says that block b is its own.
static void
claim(uint inum, uint b)
{
  if (!is_data_block(b))
    problem("inode %u: uses block %u, which is no data block", inum, b);
  else if (owner[b])
    problem("inode %u: uses block %u, which inode %u uses", inum, b, owner[b]);
  else
    owner[b] = inum;
}

// A file of `have` blocks should have block number `which` exactly if which < have; b is what it has.
static void
check_block(uint inum, uint which, uint have, uint b)
{
  if (which < have && b == 0)
    problem("inode %u: block %u of the file is missing", inum, which);
  else if (which >= have && b != 0)
    problem("inode %u: has block %u for number %u of the file, past its end", inum, b, which);
  if (b != 0)
    claim(inum, b);
}

static void
check_blocks(uint inum)
{
  struct dinode *ip = inode(inum);
  uint have = (ip->size + BSIZE - 1) / BSIZE;
  for (uint i = 0; i < NDIRECT; i++)
    check_block(inum, i, have, ip->addrs[i]);

  uint table = ip->addrs[NDIRECT];
  if (table == 0) {
    if (have > NDIRECT)
      problem("inode %u: %u blocks, but no table for those after the first %u", inum, have, NDIRECT);
    return;
  }
  if (have <= NDIRECT)
    problem("inode %u: %u blocks, and a table of more, block %u", inum, have, table);
  claim(inum, table);
  if (is_data_block(table))
    for (uint i = 0; i < NINDIRECT; i++)
      check_block(inum, NDIRECT + i, have, ((uint *)image[table])[i]);
}

static void
check_inode(uint inum)
{
  struct dinode *ip = inode(inum);
  if (ip->type == 0)
    return;
  if (ip->type != T_DIR && ip->type != T_FILE && ip->type != T_DEVICE) {
    problem("inode %u: unknown type %d", inum, ip->type);
    return;
  }
  if (ip->nlink < 0)
    problem("inode %u: link count %d", inum, ip->nlink);
  if (ip->nlink == 0 && !orphans_allowed)
    problem("inode %u: in use, but has no links (an orphan)", inum);
  if (ip->size > MAXFILE * BSIZE) {
    problem("inode %u: %u bytes, a file can have %u", inum, ip->size, (uint)(MAXFILE * BSIZE));
    return;
  }
  if (ip->type == T_DEVICE && ip->size != 0)
    problem("inode %u: a device of %u bytes", inum, ip->size);
  if (ip->type == T_DIR && ip->size % sizeof(struct dirent) != 0)
    problem("inode %u: a directory of %u bytes, no whole number of entries", inum, ip->size);
  check_blocks(inum);
}

static void
check_bitmap(void)
{
  for (uint b = 0; b < super.size; b++) {
    int marked = image[BBLOCK(b, super)][b % BPB / 8] >> (b % 8) & 1;
    if (b < datastart && !marked)
      problem("bitmap: block %u, before the data, is marked free", b);
    if (b >= datastart && marked && !owner[b])
      problem("bitmap: block %u is marked used, but nothing uses it (a leak)", b);
    if (b >= datastart && !marked && owner[b])
      problem("bitmap: block %u is marked free, but inode %u uses it", b, owner[b]);
  }
}

// ---- Directories.

static int
in_use(uint inum)
{
  return inum >= ROOTINO && inum < super.ninodes && inode(inum)->type != 0;
}

static int
is_dir(uint inum)
{
  return in_use(inum) && inode(inum)->type == T_DIR;
}

static int
named(const struct dirent *e, const char *name)
{
  return strncmp(e->name, name, DIRSIZ) == 0;
}

// A name as it can be shown: bytes that are no printable ASCII become question marks.
// Good until the next call.
static const char *
shown(const struct dirent *e)
{
  static char text[DIRSIZ + 1];
  for (int i = 0; i < DIRSIZ; i++)
    text[i] = e->name[i] == 0 || (e->name[i] >= ' ' && e->name[i] <= '~') ? e->name[i] : '?';
  return text;
}

static int
by_name(const void *a, const void *b)
{
  return strncmp(((const struct dirent *)a)->name, ((const struct dirent *)b)->name, DIRSIZ);
}

// The used entries of a directory, in an array that the caller frees, sorted by name.
static struct dirent *
entries_of(uint dir, uint *count)
{
  struct dinode *ip = inode(dir);
  uint total = ip->size <= MAXFILE * BSIZE ? ip->size / sizeof(struct dirent) : 0;
  struct dirent *list = zeroed(total + 1, sizeof(*list));
  *count = 0;
  for (uint i = 0; i < total; i++) {
    uint which = i * sizeof(*list) / BSIZE;
    uint table = ip->addrs[NDIRECT];
    uint b = which < NDIRECT ? ip->addrs[which] :
             is_data_block(table) ? ((uint *)image[table])[which - NDIRECT] : 0;
    struct dirent *e = (struct dirent *)image[is_data_block(b) ? b : 0] + i % (BSIZE / sizeof(*e));
    if (is_data_block(b) && e->inum != 0)
      list[(*count)++] = *e;
  }
  qsort(list, *count, sizeof(*list), by_name);
  return list;
}

// In a removed directory, which may be some process's, ".." means nothing any more.
static void
check_entry_of_removed(uint dir, const struct dirent *e)
{
  if (named(e, ".") && e->inum != dir)
    problem("directory %u: '.' leads to inode %u", dir, e->inum);
  if (!named(e, ".") && !named(e, ".."))
    problem("directory %u: was removed, but has an entry '%s'", dir, shown(e));
}

static void
check_entry(uint dir, const struct dirent *e)
{
  if (e->name[0] == 0 || memchr(e->name, '/', DIRSIZ))
    problem("directory %u: entry for inode %u has the bad name '%s'", dir, e->inum, shown(e));
  if (!in_use(e->inum))
    problem("directory %u: '%s' leads to inode %u, which is not in use", dir, shown(e), e->inum);
  else if (!named(e, "."))
    links[e->inum]++;
  else if (e->inum != dir)
    problem("directory %u: '.' leads to inode %u", dir, e->inum);
  if (!named(e, ".") && !named(e, "..") && e->inum == ROOTINO)
    problem("directory %u: '%s' leads to the root", dir, shown(e));
}

static void
check_directory(uint dir)
{
  uint count;
  int dot = 0, dotdot = 0;
  struct dirent *list = entries_of(dir, &count);
  for (uint i = 0; i < count; i++) {
    dot += named(&list[i], ".");
    dotdot += named(&list[i], "..");
    if (inode(dir)->nlink > 0)
      check_entry(dir, &list[i]);
    else
      check_entry_of_removed(dir, &list[i]);
    if (i > 0 && by_name(&list[i - 1], &list[i]) == 0)
      problem("directory %u: two entries are called '%s'", dir, shown(&list[i]));
  }
  if (!dot)
    problem("directory %u: has no '.'", dir);
  if (!dotdot)
    problem("directory %u: has no '..'", dir);
  free(list);
}

// Mark all that paths through directory dir lead to; parent is the directory that has it.
static void
reach(uint dir, uint parent)
{
  uint count;
  struct dirent *list = entries_of(dir, &count);
  reached[dir] = 1;
  for (uint i = 0; i < count; i++) {
    uint inum = list[i].inum;
    if (named(&list[i], "..") && inum != parent)
      problem("directory %u: '..' leads to inode %u, but the parent is %u", dir, inum, parent);
    if (named(&list[i], ".") || named(&list[i], "..") || !in_use(inum))
      continue;
    if (is_dir(inum) && reached[inum])
      problem("directory %u: has a second name, '%s' in directory %u", inum, shown(&list[i]), dir);
    else if (is_dir(inum))
      reach(inum, dir);
    reached[inum] = 1;
  }
  free(list);
}

static void
check_links(uint inum)
{
  struct dinode *ip = inode(inum);
  if (ip->type == 0)
    return;
  if (ip->nlink != links[inum])
    problem("inode %u: link count %d, but %d entries", inum, ip->nlink, links[inum]);
  if (ip->nlink > 0 && !reached[inum])
    problem("inode %u: in use, but no path leads to it", inum);
}

static void
check_tree(void)
{
  if (!is_dir(ROOTINO)) {
    problem("inode %u: should be the root directory", ROOTINO);
    return;
  }
  for (uint inum = ROOTINO; inum < super.ninodes; inum++)
    if (is_dir(inum))
      check_directory(inum);
  reach(ROOTINO, ROOTINO);
  for (uint inum = ROOTINO; inum < super.ninodes; inum++)
    check_links(inum);
}

int
main(int argc, char *argv[])
{
  orphans_allowed = argc > 1 && strcmp(argv[1], "-o") == 0;
  if (argc != 2 + orphans_allowed) {
    fprintf(stderr, "usage: fsck [-o] image\n");
    return 2;
  }
  read_image(argv[argc - 1]);
  if (superblock_ok()) {
    owner = zeroed(super.size, sizeof(*owner));
    links = zeroed(super.ninodes, sizeof(*links));
    reached = zeroed(super.ninodes, sizeof(*reached));
    replay_log();
    for (uint inum = ROOTINO; inum < super.ninodes; inum++)
      check_inode(inum);
    check_bitmap();
    check_tree();
  }
  printf("%s: %d problem%s\n", argv[argc - 1], problems, problems == 1 ? "" : "s");
  return problems > 0;
}
