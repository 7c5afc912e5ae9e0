// fs.c - files, directories and paths, on top of the log.
//
// In order: which blocks are free, inodes, the bytes of a file, directories, paths.
// Whatever changes the disk here must be called inside begin_op and end_op. Running out of
// blocks, of inodes or of room in memory makes the one call fail that met it.

#include "types.h"
#include "param.h"
#include "stat.h"
#include "spinlock.h"
#include "sleeplock.h"
#include "riscv.h"
#include "fs.h"
#include "buf.h"
#include "file.h"
#include "proc.h"
#include "defs.h"

#define AHEAD 16    // blocks read ahead of a sequential reader

static struct superblock sb;

static uint
min(uint a, uint b)
{
  return a < b ? a : b;
}

// ---- Which blocks are free: one bit for each block of the disk, 1 if it is in use.

// Where to look first for a free block and a free inode. Only hints: read and set without a
// lock, so all the rest is searched as well before a search fails.
static uint blockhint;
static uint inodehint = ROOTINO;

// The first 0 among bits from..to-1 of map, or -1.
static int
zerobit(uint64 *map, uint from, uint to)
{
  while (from < to) {
    uint64 word = map[from / 64] >> (from % 64);
    if ((word & 1) == 0)
      return from;
    if (map[from / 64] == ~0UL)
      from = (from / 64 + 1) * 64;
    else
      from++;
  }
  return -1;
}

// Mark up to n free blocks among from..to-1 as used and put their numbers in list.
// Returns how many there were.
static uint
takeblocks(uint from, uint to, uint *list, uint n)
{
  uint got = 0;
  for (uint base = from - from % BPB; base < to && got < n; base += BPB) {
    struct buf *b = bread(ROOTDEV, BBLOCK(base, sb));
    uint64 *map = (uint64 *)b->data;
    uint before = got;
    uint at = from > base ? from - base : 0;
    for (int bit; got < n && (bit = zerobit(map, at, min(to - base, BPB))) >= 0; at = bit + 1) {
      map[bit / 64] |= 1UL << (bit % 64);
      list[got++] = base + bit;
    }
    if (got > before)
      log_write(b);
    brelse(b);
  }
  return got;
}

// Find n blocks for the caller to fill; their content is left as it is. Returns how many
// there were, fewer than n if the disk is full.
static uint
balloc(uint *list, uint n)
{
  uint hint = blockhint;
  uint got = takeblocks(hint, sb.size, list, n);
  if (got < n)
    got += takeblocks(0, hint, list + got, n - got);
  if (got > 0)
    blockhint = list[got - 1] + 1;
  return got;
}

// Give back n blocks, or fewer if the list has a 0 before.
static void
bfree(uint *list, int n)
{
  int i = 0;
  while (i < n && list[i]) {
    uint where = BBLOCK(list[i], sb);
    struct buf *b = bread(ROOTDEV, where);
    for (; i < n && list[i] && BBLOCK(list[i], sb) == where; i++) {
      uchar *byte = &b->data[list[i] % BPB / 8];
      uchar bit = 1 << (list[i] % 8);
      if (list[i] >= sb.size || (*byte & bit) == 0)
        panic("bfree: block %d is not in use", list[i]);
      *byte &= ~bit;
      blockhint = min(blockhint, list[i]);
    }
    log_write(b);
    brelse(b);
  }
}

// ---- Inodes: those in use are in memory once, found by number.

#define NICHAIN 32   // a power of two

static struct {
  struct spinlock lock;             // protects chain, spare and of each inode what file.h says
  struct inode   *chain[NICHAIN];   // inodes with ref > 0
  struct inode   *spare;            // the others
  struct inode    pool[NINODE];
} inodes;

// The fields that an inode has on the disk lie in struct inode as they do in struct dinode.
_Static_assert(sizeof(struct dinode) == 64, "an inode takes 64 bytes on the disk");
_Static_assert(__builtin_offsetof(struct inode, addrs) - __builtin_offsetof(struct inode, type) ==
               __builtin_offsetof(struct dinode, addrs), "struct inode and struct dinode must agree");

static struct dinode *
disk_part(struct inode *ip)
{
  return (struct dinode *)&ip->type;
}

// Inode inum in its block.
static struct dinode *
dinode_in(struct buf *b, uint inum)
{
  return (struct dinode *)b->data + inum % IPB;
}

void
iinit(void)
{
  initlock(&inodes.lock, "inodes");
  for (int i = 0; i < NINODE; i++) {
    initsleeplock(&inodes.pool[i].lock, "inode");
    inodes.pool[i].next = inodes.spare;
    inodes.spare = &inodes.pool[i];
  }
}

// A reference to an inode, neither locked nor read from the disk.
// Returns 0 if NINODE others are in use. inodes.lock is held.
static struct inode *
obtain(uint dev, uint inum)
{
  struct inode **chain = &inodes.chain[inum % NICHAIN];
  struct inode *ip = *chain;
  while (ip && (ip->inum != inum || ip->dev != dev))
    ip = ip->next;
  if (ip) {
    ip->ref++;
  } else if ((ip = inodes.spare) != 0) {
    inodes.spare = ip->next;
    ip->next = *chain;
    *chain = ip;
    ip->dev = dev;
    ip->inum = inum;
    ip->ref = 1;
    ip->parent = 0;
    ip->valid = 0;
    ip->ahead = 0;
  }
  return ip;
}

static struct inode *
iget(uint dev, uint inum)
{
  acquire(&inodes.lock);
  struct inode *ip = obtain(dev, inum);
  release(&inodes.lock);
  return ip;
}

// One more reference to ip.
struct inode *
idup(struct inode *ip)
{
  acquire(&inodes.lock);
  ip->ref++;
  release(&inodes.lock);
  return ip;
}

// Lock ip, and read it from the disk if that was not done.
void
ilock(struct inode *ip)
{
  acquiresleep(&ip->lock);
  if (ip->valid)
    return;
  struct buf *b = bread(ip->dev, IBLOCK(ip->inum, sb));
  *disk_part(ip) = *dinode_in(b, ip->inum);
  brelse(b);
  if (ip->type == 0)
    panic("ilock: inode %d is free, yet something refers to it", ip->inum);
  ip->valid = 1;
}

void
iunlock(struct inode *ip)
{
  releasesleep(&ip->lock);
}

// Write ip, which is locked, to the disk. To be called after every change of what is there.
void
iupdate(struct inode *ip)
{
  struct buf *b = bread(ip->dev, IBLOCK(ip->inum, sb));
  *dinode_in(b, ip->inum) = *disk_part(ip);
  log_write(b);
  brelse(b);
}

// Claim the first free inode among from..to-1 for the given type. Returns a reference, or 0.
static struct inode *
takeinode(uint dev, short type, uint from, uint to)
{
  for (uint inum = from; inum < to; ) {
    struct buf *b = bread(dev, IBLOCK(inum, sb));
    for (uint end = min(to, inum - inum % IPB + IPB); inum < end; inum++) {
      struct dinode *d = dinode_in(b, inum);
      if (d->type)
        continue;
      struct inode *ip = iget(dev, inum);
      if (ip) {
        *d = (struct dinode){ .type = type };
        log_write(b);
      }
      brelse(b);
      return ip;
    }
    brelse(b);
  }
  return 0;
}

// A new inode of the given type, empty and without links, not locked.
// Returns 0 if there is none on the disk or no room for it in memory.
struct inode *
ialloc(uint dev, short type)
{
  uint hint = inodehint;
  struct inode *ip = takeinode(dev, type, hint, sb.ninodes);
  if (ip == 0)
    ip = takeinode(dev, type, ROOTINO, hint);
  if (ip)
    inodehint = ip->inum + 1;
  return ip;
}

// Delete a file that nothing names and only the caller refers to.
static void
reclaim(struct inode *ip)
{
  acquiresleep(&ip->lock);
  itrunc(ip);
  ip->type = 0;
  iupdate(ip);
  ip->valid = 0;
  inodehint = min(inodehint, ip->inum);
  releasesleep(&ip->lock);
}

// Give up a reference to ip, which is not locked. With the last one to a file without
// links the file is deleted.
void
iput(struct inode *ip)
{
  acquire(&inodes.lock);
  if (ip->ref == 1 && ip->valid && ip->nlink == 0) {
    // Nobody else can come to refer to it: no directory has it, and on the disk it is not free.
    release(&inodes.lock);
    reclaim(ip);
    acquire(&inodes.lock);
  }
  if (--ip->ref == 0) {
    struct inode **link = &inodes.chain[ip->inum % NICHAIN];
    while (*link != ip)
      link = &(*link)->next;
    *link = ip->next;
    ip->next = inodes.spare;
    inodes.spare = ip;
  }
  release(&inodes.lock);
}

void
iunlockput(struct inode *ip)
{
  iunlock(ip);
  iput(ip);
}

// ---- The bytes of a file. Its inode is locked throughout.

// How many blocks a file of so many bytes has.
static uint
blocks_for(uint bytes)
{
  return (bytes + BSIZE - 1) / BSIZE;
}

// The block numbers of a file's blocks from..from+n-1, 0 for one that it does not have.
static void
blocksof(struct inode *ip, uint from, uint n, uint *list)
{
  uint i = 0;
  for (; i < n && from + i < NDIRECT; i++)
    list[i] = ip->addrs[from + i];
  if (i == n)
    return;
  if (ip->addrs[NDIRECT] == 0) {
    memset(&list[i], 0, (n - i) * sizeof(list[0]));
    return;
  }
  struct buf *b = bread(ip->dev, ip->addrs[NDIRECT]);
  uint *table = (uint *)b->data;
  memmove(&list[i], &table[from + i - NDIRECT], (n - i) * sizeof(list[0]));
  brelse(b);
}

// The number of one block, 0 if the file does not have it.
static uint
blockof(struct inode *ip, uint which)
{
  uint b;
  blocksof(ip, which, 1, &b);
  return b;
}

// The file's table of further block numbers, locked; made if there is none. Returns 0 if the disk is full.
static struct buf *
block_table(struct inode *ip)
{
  if (ip->addrs[NDIRECT])
    return bread(ip->dev, ip->addrs[NDIRECT]);
  if (balloc(&ip->addrs[NDIRECT], 1) == 0)
    return 0;
  struct buf *b = bnew(ip->dev, ip->addrs[NDIRECT]);
  memset(b->data, 0, BSIZE);
  return b;
}

// The file has its first `have` blocks; give it more until it has `want`. Returns how many it
// has then, fewer if the disk is full, or if they are more than an operation could fill.
static uint
grow(struct inode *ip, uint have, uint want)
{
  uint fresh[MAXOPBLOCKS];
  uint n = balloc(fresh, min(want - have, MAXOPBLOCKS));
  uint i = 0;
  while (i < n && have < NDIRECT)
    ip->addrs[have++] = fresh[i++];
  struct buf *b = i < n ? block_table(ip) : 0;
  if (b) {
    memmove((uint *)b->data + (have - NDIRECT), &fresh[i], (n - i) * sizeof(fresh[0]));
    log_write(b);
    brelse(b);
    have += n - i;
    i = n;
  }
  bfree(&fresh[i], n - i);
  return have;
}

// Take from the file all blocks but the first keep. The inode is not written.
static void
dropblocks(struct inode *ip, uint keep)
{
  if (keep < NDIRECT) {
    bfree(&ip->addrs[keep], NDIRECT - keep);
    memset(&ip->addrs[keep], 0, (NDIRECT - keep) * sizeof(ip->addrs[0]));
  }
  if (ip->addrs[NDIRECT] == 0)
    return;
  uint stay = keep > NDIRECT ? keep - NDIRECT : 0;
  struct buf *b = bread(ip->dev, ip->addrs[NDIRECT]);
  uint *table = (uint *)b->data;
  bfree(&table[stay], NINDIRECT - stay);
  if (stay) {
    memset(&table[stay], 0, (NINDIRECT - stay) * sizeof(table[0]));
    log_write(b);
  }
  brelse(b);
  if (stay == 0) {
    bfree(&ip->addrs[NDIRECT], 1);
    ip->addrs[NDIRECT] = 0;
  }
}

// Make the file empty.
void
itrunc(struct inode *ip)
{
  dropblocks(ip, 0);
  ip->size = 0;
  iupdate(ip);
}

// What fstat tells of ip.
void
stati(struct inode *ip, struct stat *st)
{
  *st = (struct stat){
    .dev = ip->dev, .ino = ip->inum, .type = ip->type, .nlink = ip->nlink, .size = ip->size,
  };
}

// The file is about to be read from off on, n bytes of it (1 or more, all within the file).
// Puts the numbers of the blocks in question in list (PREFETCH at most) and starts reading them,
// and AHEAD more if the reader goes through the file in order. Returns how many list has.
static uint
lookahead(struct inode *ip, uint off, uint n, uint *list)
{
  uint first = off / BSIZE;
  uint end = (off + n - 1) / BSIZE + 1;
  int inorder = off == 0 || (first <= ip->ahead && ip->ahead < end);
  if (inorder)
    end += AHEAD;
  end = min(end, blocks_for(ip->size));
  end = min(end, first + PREFETCH);
  if (inorder)
    ip->ahead = end;
  blocksof(ip, first, end - first, list);
  if (end - first > 1)
    bprefetch(ip->dev, list, end - first);
  return end - first;
}

// Copy up to n bytes of the file, from off on, to dst (a user address if user_dst is set, and
// then made present by vmprefault). Returns how many there were, or -1 if dst is bad.
int
readi(struct inode *ip, int user_dst, uint64 dst, uint off, uint n)
{
  if (off >= ip->size)
    return 0;
  n = min(n, ip->size - off);
  uint list[PREFETCH], first = 0, have = 0;
  for (uint done = 0, k; done < n; done += k, off += k, dst += k) {
    uint which = off / BSIZE;
    if (which - first >= have) {
      first = which;
      have = lookahead(ip, off, n - done, list);
    }
    k = min(n - done, BSIZE - off % BSIZE);
    struct buf *b = bread(ip->dev, list[which - first]);
    int bad = either_copyout(user_dst, dst, b->data + off % BSIZE, k);
    brelse(b);
    if (bad)
      return -1;
  }
  return n;
}

// Copy k bytes from src to the file's block where, from byte off of the file on; fresh if nothing was in it before.
// Returns 0, or -1 if src is bad.
static int
fillblock(struct inode *ip, uint where, int fresh, uint off, int user_src, uint64 src, uint k)
{
  struct buf *b = fresh ? bnew(ip->dev, where) : bread(ip->dev, where);
  uint at = off % BSIZE;
  if (fresh && k < BSIZE)
    memset(b->data, 0, BSIZE);
  int bad = either_copyin(b->data + at, user_src, src, k);
  log_write(b);   // though bad: some of it may have been copied
  brelse(b);
  return bad ? -1 : 0;
}

// Copy n bytes from src to the file, from off on; it has the blocks for them, of which those
// from `fresh` on are new. Returns how many were copied, fewer than n if src is bad.
static uint
fillblocks(struct inode *ip, int user_src, uint64 src, uint off, uint n, uint fresh)
{
  uint list[MAXOPBLOCKS], first = 0, have = 0, done = 0;
  while (done < n) {
    uint at = (off + done) % BSIZE, which = (off + done) / BSIZE;
    if (which - first >= have) {
      first = which;
      have = min((off + n - 1) / BSIZE + 1 - which, MAXOPBLOCKS);
      blocksof(ip, first, have, list);
    }
    uint k = min(n - done, BSIZE - at);
    if (fillblock(ip, list[which - first], which >= fresh, off + done, user_src, src + done, k) < 0)
      break;
    done += k;
  }
  return done;
}

// Copy n bytes from src (a user address if user_src is set, and then made present by
// vmprefault) to the file, from off on; the file grows as needed. Returns how many were written,
// fewer than n if the disk is full or src is bad, or -1 if the file can't have bytes there.
int
writei(struct inode *ip, int user_src, uint64 src, uint off, uint n)
{
  if (off > ip->size || n > MAXFILE * BSIZE - off)
    return -1;
  uint before = blocks_for(ip->size), have = before;
  if (blocks_for(off + n) > have)
    have = grow(ip, have, blocks_for(off + n));
  uint end = off + fillblocks(ip, user_src, src, off, min(n, have * BSIZE - off), before);
  int grown = end > ip->size;
  if (grown)
    ip->size = end;
  if (blocks_for(ip->size) < have)
    dropblocks(ip, blocks_for(ip->size));
  if (grown)
    iupdate(ip);
  return end - off;
}

// How many bytes, counted from a block boundary, writei may be given in one operation. It
// changes each data block, the inode, the table of block numbers, and parts of the free bitmap:
// in the worst case a different one for each new block, as far as the disk has so many.
int
writemax(void)
{
  uint maps = (sb.size + BPB - 1) / BPB;
  uint blocks = 1;
  while (2 + (blocks + 1) + min(blocks + 2, maps) <= MAXOPBLOCKS)
    blocks++;
  return blocks * BSIZE;
}

// ---- Directories: files of struct dirent. The directory's inode is locked throughout.

int
namecmp(const char *s, const char *t)
{
  return strncmp(s, t, DIRSIZ);
}

// What find looks for.
static int
has_name(struct dirent *e, char *name)
{
  return e->inum && e->name[0] == name[0] && namecmp(e->name, name) == 0;
}

static int
is_free(struct dirent *e, char *name)
{
  return e->inum == 0;
}

static int
is_child(struct dirent *e, char *name)
{
  return e->inum && namecmp(e->name, ".") != 0 && namecmp(e->name, "..") != 0;
}

// The offset of dp's first entry that fits, or -1; *inum tells what it refers to.
static int
find(struct inode *dp, int (*fits)(struct dirent *, char *), char *name, uint *inum)
{
  for (uint off = 0; off < dp->size; off += BSIZE) {
    struct buf *b = bread(dp->dev, blockof(dp, off / BSIZE));
    struct dirent *entries = (struct dirent *)b->data;
    struct dirent *e = entries;
    struct dirent *end = e + min(BSIZE, dp->size - off) / sizeof(*e);
    while (e < end && !fits(e, name))
      e++;
    *inum = e < end ? e->inum : 0;
    brelse(b);
    if (e < end)
      return off + (e - entries) * sizeof(*e);
  }
  return -1;
}

// The inode number that dp has for name, or 0; *poff, unless poff is 0, is where the entry lies.
uint
dirfind(struct inode *dp, char *name, uint *poff)
{
  uint inum;
  int off = find(dp, has_name, name, &inum);
  if (off < 0)
    return 0;
  if (poff)
    *poff = off;
  return inum;
}

// The directory that removed directory dp was in, or 0 if it was removed as well.
static struct inode *
former_parent(struct inode *dp)
{
  acquire(&inodes.lock);
  struct inode *ip = dp->parent ? obtain(dp->dev, dp->parent) : 0;
  release(&inodes.lock);
  return ip;
}

// As dirfind, but a reference to the inode. Returns 0 if there is none, or no room for it in memory.
struct inode *
dirlookup(struct inode *dp, char *name, uint *poff)
{
  if (dp->nlink == 0 && namecmp(name, "..") == 0)
    return former_parent(dp);
  uint inum = dirfind(dp, name, poff);
  return inum ? iget(dp->dev, inum) : 0;
}

// Directory ip, whose last link goes, was in dp. Processes may go on using it, but what its ".."
// has on the disk is good no longer than dp is there: when dp goes, its inode may be used again.
void
dirremoved(struct inode *dp, struct inode *ip)
{
  acquire(&inodes.lock);
  ip->parent = dp->inum;
  for (int i = 0; i < NINODE; i++)
    if (inodes.pool[i].parent == ip->inum && inodes.pool[i].dev == ip->dev)
      inodes.pool[i].parent = 0;
  release(&inodes.lock);
}

// Is dp without entries but . and ..?
int
dirempty(struct inode *dp)
{
  uint inum;
  return find(dp, is_child, 0, &inum) < 0;
}

// Write the entry of dp at off; inum 0 makes it free. Returns 0, or -1 if the directory can't grow.
int
dirput(struct inode *dp, uint off, char *name, uint inum)
{
  struct dirent e = { .inum = inum };
  strncpy(e.name, name, DIRSIZ);
  return writei(dp, 0, (uint64)&e, off, sizeof(e)) == sizeof(e) ? 0 : -1;
}

// Enter inum in dp under name. Returns 0, or -1 if the name is taken, the directory
// was removed, or it can't grow.
int
dirlink(struct inode *dp, char *name, uint inum)
{
  uint other;
  if (dp->nlink == 0 || dirfind(dp, name, 0))
    return -1;
  int off = find(dp, is_free, 0, &other);
  return dirput(dp, off < 0 ? dp->size : off, name, inum);
}

// ---- Paths: names with slashes between; from / if there is one in front, else from the
// process's directory. All this must be called inside an operation, for the iput in it.

// Cut the first name off *path, and slashes on both sides. Only DIRSIZ bytes of it count; they
// are copied to name, with NULs up to DIRSIZ. Returns 0 if there is no name.
static int
cutname(char **path, char *name)
{
  char *s = *path;
  while (*s == '/')
    s++;
  uint len = 0;
  while (s[len] && s[len] != '/')
    len++;
  memset(name, 0, DIRSIZ);
  memmove(name, s, min(len, DIRSIZ));
  s += len;
  while (*s == '/')
    s++;
  *path = s;
  return len > 0;
}

// The inode that a path begins at.
static struct inode *
origin(char *path)
{
  return *path == '/' ? iget(ROOTDEV, ROOTINO) : idup(myproc()->cwd);
}

// The inode called name in dp, or 0 if there is none or dp is no directory.
// The reference to dp is given up.
static struct inode *
descend(struct inode *dp, char *name)
{
  ilock(dp);
  struct inode *ip = dp->type == T_DIR ? dirlookup(dp, name, 0) : 0;
  iunlockput(dp);
  return ip;
}

// A reference to the inode of a path, or 0. The empty path is the process's directory.
struct inode *
namei(char *path)
{
  char name[DIRSIZ];
  struct inode *ip = origin(path);
  while (ip && cutname(&path, name))
    ip = descend(ip, name);
  return ip;
}

// A reference to the directory that the last name of a path is to be found in, or 0;
// name, of DIRSIZ bytes, gets the last name.
struct inode *
nameiparent(char *path, char *name)
{
  struct inode *ip = origin(path);
  int any = cutname(&path, name);
  while (ip && *path) {
    ip = descend(ip, name);
    cutname(&path, name);
  }
  if (ip == 0)
    return 0;
  ilock(ip);
  int usable = any && ip->type == T_DIR;
  iunlock(ip);
  if (usable)
    return ip;
  iput(ip);
  return 0;
}

// ---- Start.

// Delete inode inum, which has no links: it was open when the machine stopped.
static void
reclaim_orphan(int dev, uint inum)
{
  printf("ireclaim: orphaned inode %d\n", inum);
  begin_op();
  struct inode *ip = iget(dev, inum);
  if (ip == 0)
    panic("ireclaim: no inode to spare");
  ilock(ip);
  iunlockput(ip);
  end_op();
}

// Make the file system on dev usable. Called once, by the first process.
void
fsinit(int dev)
{
  struct buf *b = bread(dev, 1);
  sb = *(struct superblock *)b->data;
  brelse(b);
  if (sb.magic != FSMAGIC)
    panic("the disk has no file system; make it with mkfs/mkfs");
  initlog(dev, &sb);

  for (uint inum = ROOTINO; inum < sb.ninodes; inum++) {
    b = bread(dev, IBLOCK(inum, sb));
    struct dinode *d = dinode_in(b, inum);
    int orphan = d->type != 0 && d->nlink == 0;
    brelse(b);
    if (orphan)
      reclaim_orphan(dev, inum);
  }
}
