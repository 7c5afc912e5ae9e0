// bio.c - the buffer cache: disk blocks kept in memory, each there once.
//
// A block is found through a hash table. Those that nobody holds also hang in a list from the
// oldest to the newest used; the oldest gives way when a block is needed that is not there.
// A block that bprefetch is reading hangs in that list too, with busy set.

#include "types.h"
#include "param.h"
#include "spinlock.h"
#include "sleeplock.h"
#include "riscv.h"
#include "fs.h"
#include "buf.h"
#include "defs.h"

#define NCHAIN 128   // a power of two

static struct {
  struct spinlock lock;     // protects all here, and of each buffer all but data and what the disk sets
  struct buf     *chain[NCHAIN];
  struct buf     *oldest;
  struct buf     *newest;
  int             waiting;  // processes that wait for a buffer to be let go
  struct buf      pool[NBUF];
} cache;

static struct buf **
chainof(uint dev, uint blockno)
{
  return &cache.chain[(blockno + dev * 31) % NCHAIN];
}

// Put b, which nobody holds, at the new end of the list. cache.lock is held.
static void
enlist(struct buf *b)
{
  b->newer = 0;
  b->older = cache.newest;
  if (cache.newest)
    cache.newest->newer = b;
  else
    cache.oldest = b;
  cache.newest = b;
}

// Take b out of the list. cache.lock is held.
static void
delist(struct buf *b)
{
  if (b->older)
    b->older->newer = b->newer;
  else
    cache.oldest = b->newer;
  if (b->newer)
    b->newer->older = b->older;
  else
    cache.newest = b->older;
}

// Make all buffers empty and unused.
void
binit(void)
{
  initlock(&cache.lock, "buffer cache");
  for (int i = 0; i < NBUF; i++) {
    initsleeplock(&cache.pool[i].lock, "buffer");
    enlist(&cache.pool[i]);
  }
}

// Hold b once more. cache.lock is held.
static void
hold(struct buf *b)
{
  if (b->ref++ == 0)
    delist(b);
}

// Hold b once less. cache.lock is held.
static void
letgo(struct buf *b)
{
  if (b->ref < 1)
    panic("letgo: nobody holds block %d", b->blockno);
  if (--b->ref > 0)
    return;
  enlist(b);
  if (cache.waiting)
    wakeup(&cache.waiting);
}

// The buffer of a block, or 0 if it is not cached. cache.lock is held.
static struct buf *
lookup(uint dev, uint blockno)
{
  struct buf *b = *chainof(dev, blockno);
  while (b && (b->blockno != blockno || b->dev != dev))
    b = b->chain;
  return b;
}

// Turn the oldest unheld buffer into one, still unheld and not valid, for the given block.
// Returns 0 if there is none, or if a prefetch into it still runs. cache.lock is held.
static struct buf *
recycle(uint dev, uint blockno)
{
  struct buf *b = cache.oldest;
  if (b == 0 || __atomic_load_n(&b->busy, __ATOMIC_ACQUIRE))
    return 0;
  struct buf **link = chainof(b->dev, b->blockno);
  while (*link && *link != b)
    link = &(*link)->chain;
  if (*link)   // a buffer that was never used is in no chain
    *link = b->chain;

  b->dev = dev;
  b->blockno = blockno;
  b->valid = 0;
  struct buf **home = chainof(dev, blockno);
  b->chain = *home;
  *home = b;
  return b;
}

// Wait until recycle has better prospects. cache.lock is held, but not throughout.
static void
wait_for_buffer(void)
{
  struct buf *b = cache.oldest;
  if (b == 0) {
    cache.waiting++;
    deepsleep(&cache.waiting, &cache.lock);
    cache.waiting--;
    return;
  }
  hold(b);
  release(&cache.lock);
  disk_wait(b);
  acquire(&cache.lock);
  letgo(b);
}

// The buffer of a block, held and locked, the disk idle on it; its data may not be valid.
static struct buf *
claim(uint dev, uint blockno)
{
  struct buf *b;
  acquire(&cache.lock);
  while ((b = lookup(dev, blockno)) == 0 && (b = recycle(dev, blockno)) == 0)
    wait_for_buffer();
  hold(b);
  release(&cache.lock);
  acquiresleep(&b->lock);
  disk_wait(b);
  return b;
}

// A locked buffer with the content of a block. Give it back with brelse.
struct buf *
bread(uint dev, uint blockno)
{
  struct buf *b = claim(dev, blockno);
  if (!b->valid) {
    disk_read(&b, 1);
    disk_wait(b);
    b->valid = 1;
  }
  return b;
}

// A locked buffer for a block that the caller will overwrite from end to end: nothing is read,
// the data is whatever was there. Give it back with brelse.
struct buf *
bnew(uint dev, uint blockno)
{
  struct buf *b = claim(dev, blockno);
  b->valid = 1;
  return b;
}

// Start reading those of n blocks (PREFETCH at most) that are not cached, and don't wait for them.
// Gives up early if no buffer can be had at once.
void
bprefetch(uint dev, uint *blocknos, int n)
{
  struct buf *fresh[PREFETCH];
  int k = 0;
  acquire(&cache.lock);
  for (int i = 0; i < n && i < PREFETCH; i++) {
    if (lookup(dev, blocknos[i]))
      continue;
    struct buf *b = recycle(dev, blocknos[i]);
    if (b == 0)
      break;
    b->valid = 1;
    b->busy = 1;   // before anyone else can find it
    delist(b);
    enlist(b);
    fresh[k++] = b;
  }
  release(&cache.lock);
  if (k > 0)
    disk_read(fresh, k);
}

// Write n buffers to their blocks and wait until that is done. Nobody may change them meanwhile.
void
bwrite(struct buf **bufs, int n)
{
  disk_write(bufs, n);
  for (int i = 0; i < n; i++)
    disk_wait(bufs[i]);
}

// Unlock and let go a buffer of bread or bnew.
void
brelse(struct buf *b)
{
  releasesleep(&b->lock);
  bunpin(b);
}

// Keep b in the cache until as many calls of bunpin.
void
bpin(struct buf *b)
{
  acquire(&cache.lock);
  hold(b);
  release(&cache.lock);
}

// Undo one bpin.
void
bunpin(struct buf *b)
{
  acquire(&cache.lock);
  letgo(b);
  release(&cache.lock);
}
