// virtio_disk.c - moves blocks between memory and the disk, a virtio block device in MMIO slot 0.
// The section numbers are those of the VIRTIO 1.1 specification.
//
// Requests are asynchronous: disk_read and disk_write hand them to the device and return, the
// interrupt marks their buffers done, disk_wait sleeps until one is. A write that is done is in
// the device's cache. We take FEATURE_FLUSH without ever flushing: QEMU's cache is the host's
// page cache, which outlives a killed QEMU, and the log needs no more than that a write which
// was seen done comes before one that was started later.

#include "types.h"
#include "param.h"
#include "riscv.h"
#include "memlayout.h"
#include "spinlock.h"
#include "sleeplock.h"
#include "fs.h"
#include "buf.h"
#include "virtio.h"
#include "proc.h"
#include "defs.h"

#define MAXRUN 32     // blocks in one request, if the device allows as many
#define POLL   1000   // of the 10 MHz clock: 100 us

// A request is known by its first descriptor.
struct request {
  struct virtio_blk_head head;
  uchar       status;   // written by the device
  struct buf *bufs;     // linked by ->after
};

static volatile struct virtio_slot *const slot = (void *)VIRTIO0;
static struct virtq queue;

static struct {
  struct spinlock lock;
  struct request  request[QSIZE];
  int             nfree;      // free descriptors, linked by ->next
  int             firstfree;
  int             starved;    // processes that wait for descriptors
  ushort          seen;       // used-ring entries that were handled
  uint            maxrun;
} disk;

// Take the offered features we know among wanted (a bit mask). Section 2.2.
static void
take_features(int word, uint wanted)
{
  slot->features_sel = word;
  uint offered = slot->features;
  slot->accepted_sel = word;
  slot->accepted = offered & wanted;
}

// Agree with the device on features. Sections 3.1.1 and 5.2.5.
static void
negotiate(void)
{
  take_features(0, 1 << FEATURE_SEG_MAX | 1 << FEATURE_FLUSH);
  if (slot->version == 1)
    return;
  take_features(1, 1 << (FEATURE_VERSION_1 - 32));
  slot->status |= STATUS_FEATURES_OK;
  if (!(slot->status & STATUS_FEATURES_OK))
    panic("disk: the device refuses our features");
}

static void
set_address(volatile uint *reg, volatile void *p)
{
  reg[0] = (uint64)p;
  reg[1] = (uint64)p >> 32;
}

// Give the device queue 0. Sections 4.2.3.2 and, for the legacy device, 4.2.4.
static void
setup_queue(void)
{
  slot->queue_sel = 0;
  if (slot->queue_max < QSIZE)
    panic("disk: the device's queue has %d entries, %d are needed", slot->queue_max, QSIZE);
  slot->queue_size = QSIZE;
  if (slot->version == 1) {
    slot->legacy_page_size = PGSIZE;
    slot->legacy_queue_align = PGSIZE;
    slot->legacy_queue_pfn = (uint64)&queue / PGSIZE;
  } else {
    set_address(slot->queue_desc, queue.desc);
    set_address(slot->queue_avail, &queue.avail);
    set_address(slot->queue_used, &queue.used);
    slot->queue_ready = 1;
  }
}

// Find the disk and make it ready; panic if there is none.
void
virtio_disk_init(void)
{
  initlock(&disk.lock, "disk");
  if (slot->magic != VIRTIO_MAGIC || slot->device != VIRTIO_BLOCK)
    panic("no disk: start QEMU with -drive and -device virtio-blk-device,bus=virtio-mmio-bus.0");
  if (slot->version != 1 && slot->version != 2)
    panic("disk: virtio-mmio version %d is unknown", slot->version);

  slot->status = 0;   // reset
  slot->status |= STATUS_SEEN;
  slot->status |= STATUS_DRIVER;
  negotiate();
  disk.maxrun = MAXRUN;
  slot->features_sel = 0;
  if ((slot->features >> FEATURE_SEG_MAX & 1) && slot->seg_max < MAXRUN)
    disk.maxrun = slot->seg_max;

  for (int i = 0; i < QSIZE; i++)
    queue.desc[i].next = i + 1;
  disk.nfree = QSIZE;
  setup_queue();
  slot->status |= STATUS_READY;
}

// Tell the device to look at the queue. Best done without disk.lock: a store to a device
// register can take QEMU long, and other harts would spin meanwhile.
static void
ring_doorbell(void)
{
  __sync_synchronize();
  slot->notify = 0;
}

// Describe a piece of memory in descriptor d; returns the descriptor that follows it.
static int
describe(int d, void *p, uint len, int flags)
{
  struct virtq_desc *piece = &queue.desc[d];
  piece->addr = (uint64)p;
  piece->len = len;
  piece->flags = flags;
  return piece->next;
}

// Queue one request: n buffers from or to adjacent blocks, the first being block.
// disk.lock is held; sleeps while there are too few descriptors. The free descriptors hang in
// a chain, so a request takes the first n + 2 as they hang.
static void
submit(struct buf **bufs, int n, uint block, int write)
{
  while (disk.nfree < n + 2) {
    ring_doorbell();
    disk.starved++;
    deepsleep(&disk.nfree, &disk.lock);
    disk.starved--;
  }

  int first = disk.firstfree;
  struct request *r = &disk.request[first];
  r->head = (struct virtio_blk_head) {
    .type = write ? BLK_OUT : BLK_IN,
    .sector = (uint64)block * (BSIZE / SECTOR),
  };
  r->status = ~BLK_OK;
  r->bufs = bufs[0];

  int d = describe(first, &r->head, sizeof(r->head), DESC_NEXT);
  for (int i = 0; i < n; i++) {
    bufs[i]->busy = 1;
    bufs[i]->after = i + 1 < n ? bufs[i + 1] : 0;
    d = describe(d, bufs[i]->data, BSIZE, write ? DESC_NEXT : DESC_NEXT | DESC_WRITE);
  }
  disk.firstfree = describe(d, &r->status, 1, DESC_WRITE);
  disk.nfree -= n + 2;

  queue.avail.ring[queue.avail.idx % QSIZE] = first;
  __sync_synchronize();   // the device must not see the new idx before what it stands for
  queue.avail.idx++;
}

// How many of the n buffers, from the first on, have adjacent block numbers.
static int
runlength(struct buf **bufs, int n)
{
  int k = 1;
  while (k < n && k < disk.maxrun && bufs[k]->blockno == bufs[0]->blockno + k)
    k++;
  return k;
}

static void
start(struct buf **bufs, int n, int write)
{
  acquire(&disk.lock);
  for (int run; n > 0; bufs += run, n -= run) {
    run = runlength(bufs, n);
    submit(bufs, run, bufs[0]->blockno, write);
  }
  release(&disk.lock);
  ring_doorbell();
}

// Start reading n buffers, each from its own block. Runs of adjacent blocks become one request.
// The caller holds no spinlock; nobody may touch the data until disk_wait has returned.
void
disk_read(struct buf **bufs, int n)
{
  start(bufs, n, 0);
}

// Start writing n buffers, each to its own block. The data must not change until disk_wait has returned.
void
disk_write(struct buf **bufs, int n)
{
  start(bufs, n, 1);
}

// Start writing n buffers, whatever their own block numbers, to the blocks from where on.
void
disk_write_at(struct buf **bufs, int n, uint where)
{
  acquire(&disk.lock);
  for (int run; n > 0; bufs += run, where += run, n -= run) {
    run = n < disk.maxrun ? n : disk.maxrun;
    submit(bufs, run, where, 1);
  }
  release(&disk.lock);
  ring_doorbell();
}

// Is the disk still reading or writing b?
static int
busy(struct buf *b)
{
  return __atomic_load_n(&b->busy, __ATOMIC_ACQUIRE);
}

// Look for at most POLL whether the disk is done with b, if no process wants this hart meanwhile:
// a request takes less time than to stop the hart and to start it again. Returns whether it is.
static int
poll(struct buf *b)
{
  volatile ushort *done = &queue.used.idx;

  for (uint64 end = r_time() + POLL; busy(b) && r_time() < end && !anyready();)
    if (disk.seen != *done)
      virtio_disk_intr();
  return !busy(b);
}

// Wait until b is neither being read nor being written. The caller holds no spinlock:
// deepsleep panics if it does, and must not be spared that where the disk is fast.
void
disk_wait(struct buf *b)
{
  if (mycpu()->noff == 0 && poll(b))
    return;
  acquire(&disk.lock);
  while (b->busy) {
    b->awaited = 1;
    deepsleep(b, &disk.lock);
  }
  release(&disk.lock);
}

// Hang a request's descriptors back among the free ones. disk.lock is held.
static void
give_back(int first)
{
  int last = first;
  disk.nfree++;
  while (queue.desc[last].flags & DESC_NEXT) {
    last = queue.desc[last].next;
    disk.nfree++;
  }
  queue.desc[last].next = disk.firstfree;
  disk.firstfree = first;
  if (disk.starved)
    wakeup(&disk.nfree);
}

// The device has done the request that begins with descriptor first. disk.lock is held.
static void
finish(int first)
{
  struct request *r = &disk.request[first];
  if (r->status != BLK_OK)
    panic("disk: %s block %d failed with status %d", r->head.type == BLK_OUT ? "writing" : "reading",
          (int)(r->head.sector / (BSIZE / SECTOR)), r->status);
  for (struct buf *b = r->bufs, *next; b; b = next) {
    next = b->after;   // once busy is 0, b may be in another request
    int awaited = b->awaited;
    b->awaited = 0;
    __atomic_store_n(&b->busy, 0, __ATOMIC_RELEASE);
    if (awaited)
      wakeup(b);
  }
  give_back(first);
}

// The disk's interrupt, on one hart at a time: finish what the device has done.
void
virtio_disk_intr(void)
{
  slot->intr_ack = slot->intr_status;   // first, lest a request done from here on go unnoticed
  __sync_synchronize();
  acquire(&disk.lock);
  volatile ushort *done = &queue.used.idx;
  while (disk.seen != *done) {
    __sync_synchronize();   // the entry is read after the idx that announces it
    finish(queue.used.ring[disk.seen % QSIZE].id);
    disk.seen++;
  }
  release(&disk.lock);
}
