// log.c - makes file system operations atomic and durable, whenever the machine stops.
//
// An operation is what lies between begin_op and end_op. The blocks that operations change stay
// pinned in the buffer cache; log_write gives each a slot, that is, a block of the on-disk log.
// Slots are filled from 0 up, in three stretches:
//
//     0 ............ committed ............ used ............ LOGBLOCKS
//     | durable, not yet  | belong to the       | free, partly promised
//     | in their place    | open transaction    | to running operations
//
// commit() writes the open transaction's blocks to their slots, then a header that counts them:
// at that moment they are durable. It is done when the last running operation ends, and end_op
// returns to every operation that wrote something only after it. Installing, the copying of
// committed blocks to their places, waits until the log is too full for another operation.
// A block that was committed and is then changed again takes a new slot: the old one has to stay
// as it is while the header counts it. Both commit() and install() run only while no operation
// does, so that what is in the cache is what operations completed.
//
// On the disk the log is a header block (a count, then for each slot the block that it is for),
// then the slots. Whoever finds a count above 0 copies the slots to their places, in order, so
// that of two slots for one block the later wins.

#include "types.h"
#include "param.h"
#include "spinlock.h"
#include "sleeplock.h"
#include "riscv.h"
#include "fs.h"
#include "buf.h"
#include "proc.h"
#include "defs.h"

#define MAXOPS (LOGBLOCKS / MAXOPBLOCKS)   // operations that can run at one time

struct logheader {
  uint n;
  uint block[LOGBLOCKS];
};

struct op {
  struct proc *owner;   // 0 if no operation runs here
  int slots;            // slots that it took, of the MAXOPBLOCKS promised
  int wrote;            // it called log_write
};

static struct {
  struct spinlock lock;
  uint        dev;
  uint        start;             // block number of the header
  int         used;
  int         committed;
  uint        round;             // transactions committed so far
  int         busy;              // someone commits or installs: no operation may begin
  int         draining;          // an operation waits for the commit: no other may begin
  int         waiting;           // processes in begin_op
  struct op   op[MAXOPS];
  struct buf *slot[LOGBLOCKS];   // the cached block that each slot is for, pinned once by each
  struct buf  header;            // the header block, never in the cache
} log;

// The header as the disk will have it.
static struct logheader *
header(void)
{
  return (struct logheader *)log.header.data;
}

// Write the header with its count set to n: from then on exactly slots 0..n-1 count.
static void
write_header(int n)
{
  struct buf *b = &log.header;
  header()->n = n;
  bwrite(&b, 1);
}

// Copy what a stopped machine had committed to its place.
static void
recover(void)
{
  struct logheader *h = header();
  if (h->n > LOGBLOCKS)
    panic("log: the header counts %d blocks, there can be %d", h->n, LOGBLOCKS);
  for (int i = 0; i < h->n; i++) {
    struct buf *b = bread(log.dev, log.start + 1 + i);
    disk_write_at(&b, 1, h->block[i]);
    disk_wait(b);
    b->valid = 0;   // commit() changes the log behind the cache's back
    brelse(b);
  }
  if (h->n > 0)
    write_header(0);
}

// Find the log of a file system and bring that file system up to date.
// Called once, before anything but the superblock is read.
void
initlog(uint dev, struct superblock *sb)
{
  if (sb->nlog < LOGBLOCKS + 1)
    panic("log: the disk has %d blocks for it, %d are needed", sb->nlog, LOGBLOCKS + 1);
  initlock(&log.lock, "log");
  log.dev = dev;
  log.start = sb->logstart;

  struct buf *b = &log.header;
  initsleeplock(&b->lock, "log header");
  b->dev = dev;
  b->blockno = log.start;
  disk_read(&b, 1);
  disk_wait(b);
  recover();
}

// The operation of the running process, or 0. log.lock is held.
static struct op *
my_op(void)
{
  struct proc *p = myproc();
  for (int i = 0; i < MAXOPS; i++)
    if (log.op[i].owner == p)
      return &log.op[i];
  return 0;
}

// How many operations run; *promised tells the slots that they may still take. log.lock is held.
static int
running(int *promised)
{
  int n = 0;
  *promised = 0;
  for (int i = 0; i < MAXOPS; i++) {
    if (log.op[i].owner) {
      n++;
      *promised += MAXOPBLOCKS - log.op[i].slots;
    }
  }
  return n;
}

// Write the open transaction to the log. log.busy is set, log.lock not held.
static void
commit(void)
{
  int n = log.used - log.committed;
  struct buf **fresh = &log.slot[log.committed];
  disk_write_at(fresh, n, log.start + 1 + log.committed);
  for (int i = 0; i < n; i++)
    disk_wait(fresh[i]);
  write_header(log.used);
  log.committed = log.used;
}

// Collect in list each buffer that has a slot, once, by ascending block number. Returns how many.
static int
collect(struct buf **list)
{
  int n = 0;
  for (int i = 0; i < log.used; i++) {
    struct buf *b = log.slot[i];
    int at = n;
    while (at > 0 && list[at - 1]->blockno > b->blockno)
      at--;
    if (at > 0 && list[at - 1] == b)
      continue;
    for (int k = n++; k > at; k--)
      list[k] = list[k - 1];
    list[at] = b;
  }
  return n;
}

// Write all committed blocks to their places and empty the log. log.busy is set, log.lock not
// held, and nothing is uncommitted, so the cache has the committed content.
static void
install(void)
{
  struct buf *list[LOGBLOCKS];
  bwrite(list, collect(list));
  write_header(0);
  for (int i = 0; i < log.used; i++)
    bunpin(log.slot[i]);
  log.used = log.committed = 0;
}

// Commit what is uncommitted and, if everything is set, install as well. No operation runs.
// log.lock is held, but not throughout.
static void
settle(int everything)
{
  log.busy = 1;
  release(&log.lock);
  int fresh = log.used > log.committed;
  if (fresh)
    commit();
  if (everything && log.used > 0)
    install();
  acquire(&log.lock);
  log.round += fresh;
  log.draining = 0;
  log.busy = 0;
  wakeup(&log);
}

// A place for one more operation, or 0 if it must wait. log.lock is held, but not throughout.
static struct op *
admit(void)
{
  if (log.busy || log.draining)
    return 0;
  int promised;
  int n = running(&promised);
  if (log.used + promised + MAXOPBLOCKS > LOGBLOCKS) {
    if (n > 0)
      return 0;
    settle(1);
  }
  for (struct op *op = log.op; op < &log.op[MAXOPS]; op++)
    if (op->owner == 0)
      return op;
  return 0;
}

// Wait for a place among the running operations and take it.
static void
enter(int wrote)
{
  struct op *op;
  acquire(&log.lock);
  if (my_op())
    panic("begin_op: pid %d is inside an operation", myproc()->pid);
  log.waiting++;
  while ((op = admit()) == 0)
    deepsleep(&log, &log.lock);
  log.waiting--;
  op->owner = myproc();
  op->slots = 0;
  op->wrote = wrote;
  release(&log.lock);
}

// Give the place up; returns whether the operation wrote. log.lock is held.
static int
leave(void)
{
  struct op *op = my_op();
  if (op == 0)
    panic("end_op: pid %d is outside an operation", myproc()->pid);
  op->owner = 0;
  return op->wrote;
}

// Begin a file system operation. It may change MAXOPBLOCKS different blocks.
// Sleeps; the caller must hold no lock that another operation may want.
void
begin_op(void)
{
  enter(0);
}

// End an operation. What it wrote is durable when end_op returns.
// The caller must hold no lock that another operation may want.
void
end_op(void)
{
  int promised;
  acquire(&log.lock);
  int owed = leave() && log.used > log.committed;
  uint round = log.round;
  if (running(&promised) == 0 && log.used > log.committed) {
    // With less room than two operations need, they would run, and commit, one by one.
    settle(log.waiting > 1 && log.used > LOGBLOCKS - 2 * MAXOPBLOCKS);
  } else {
    log.draining |= owed;
    wakeup(&log);
  }
  while (owed && log.round == round)
    deepsleep(&log, &log.lock);
  release(&log.lock);
}

// End an operation and begin another, as end_op and begin_op do, but without waiting for the
// first to be durable: the next end_op sees to that. For a system call of many operations.
void
next_op(void)
{
  int promised;
  acquire(&log.lock);
  int wrote = leave();
  if (running(&promised) == 0 && log.draining)
    settle(0);
  else
    wakeup(&log);
  release(&log.lock);
  enter(wrote);
}

// b, which the caller holds locked, was changed by the running operation: it will be
// written to the disk together with all else that the operation changes.
void
log_write(struct buf *b)
{
  acquire(&log.lock);
  struct op *op = my_op();
  if (op == 0)
    panic("log_write: block %d changed outside an operation", b->blockno);
  op->wrote = 1;
  if (b->slot < log.committed || b->slot >= log.used || log.slot[b->slot] != b) {
    if (op->slots == MAXOPBLOCKS)
      panic("log_write: one operation changes more than %d blocks", MAXOPBLOCKS);
    op->slots++;
    b->slot = log.used++;
    log.slot[b->slot] = b;
    header()->block[b->slot] = b->blockno;
    bpin(b);
  }
  release(&log.lock);
}

// Bring every completed operation to its place on the disk and leave the log empty.
// Waits until no operation runs, and lets none begin meanwhile.
void
log_flush(void)
{
  int promised;
  acquire(&log.lock);
  while (log.busy || running(&promised) > 0) {
    log.draining = 1;
    deepsleep(&log, &log.lock);
  }
  settle(1);
  release(&log.lock);
}
