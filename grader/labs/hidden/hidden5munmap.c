// hidden5munmap.c - task 5: munmap of parts, write-back, bad ranges, and nothing lost. Whatever is mapped is unmapped again.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"
#include "hid.h"

// ---- split: a mapping in pieces

// Unmap page 3 of 8, then 5; all are dirty, and the file is mapped from page 1 on.
static void
pieces(void)
{
  newfile(1, 9 * PGSIZE);
  int fd = opened(FILE1, O_RDWR);
  char *p = map("mmap", fd, PGSIZE, 8 * PGSIZE, RDWR, MAP_SHARED);
  close(fd);
  for (int i = 0; i < 8; i++)
    p[i * PGSIZE + i] = want[(i + 1) * PGSIZE + i] = 'A' + i;
  unmap(p + 3 * PGSIZE, PGSIZE);
  unmap(p + 5 * PGSIZE, PGSIZE);
  check(!readable(p + 3 * PGSIZE) && !readable(p + 5 * PGSIZE), "a page is there after its munmap");
  for (int i = 0; i < 8; i++)
    if (i != 3 && i != 5)
      p[i * PGSIZE + 50 + i] = want[(i + 1) * PGSIZE + 50 + i] = 'a' + i;
  unmap(p + 2 * PGSIZE, 3 * PGSIZE);   // the end of one piece, and the whole next one
  same(p, want + PGSIZE, 2 * PGSIZE, "pages suffered when others were unmapped");
  same(p + 6 * PGSIZE, want + 7 * PGSIZE, 2 * PGSIZE, "pages suffered when others were unmapped");
  unmap(p, 8 * PGSIZE);
  holds(FILE1, want, 9 * PGSIZE, "the pieces of a mapping were not written back to their places");
}

// Pieces that are touched for the first time after the mapping was split.
static void
latetouch(void)
{
  newfile(2, 6 * PGSIZE);
  char *p = mapfile(FILE1, 6 * PGSIZE, RDWR, MAP_SHARED);
  unmap(p + 2 * PGSIZE, PGSIZE);
  unmap(p + 4 * PGSIZE, PGSIZE);
  unmap(p, PGSIZE);
  for (int i = 1; i < 6; i += 2) {
    same(p + i * PGSIZE, want + i * PGSIZE, PGSIZE, "a piece that was touched late differs from the file");
    p[i * PGSIZE + 9] = want[i * PGSIZE + 9] = 'L';
  }
  unmap(p, 6 * PGSIZE);
  holds(FILE1, want, 6 * PGSIZE, "a piece that was touched late was not written back to its place");
}

// Each piece has a reference to the file, and gives it back.
static void
piecesoften(void)
{
  newfile(3, 5 * PGSIZE);
  for (int i = 0; i < MANY; i++) {
    int fd = open(FILE1, O_RDWR);
    check(fd >= 0, "mappings that were split keep files open");
    char *p = map("mmap, after many mappings were split and unmapped,", fd, 0, 5 * PGSIZE, RDWR, MAP_SHARED);
    close(fd);
    unmap(p + PGSIZE, PGSIZE);
    unmap(p + 3 * PGSIZE, PGSIZE);
    check(load(p + 2 * PGSIZE) == want[2 * PGSIZE], "a piece differs from the file");
    unmap(p + (i % 3) * 2 * PGSIZE, PGSIZE);
    check(load(p + (i + 1) % 3 * 2 * PGSIZE) == want[(i + 1) % 3 * 2 * PGSIZE], "a piece was lost with another");
    unmap(p, 5 * PGSIZE);
  }
}

// A new mapping does not fit into a gap that is smaller.
static void
gaps(void)
{
  newfile(11, 4 * PGSIZE);
  char *p = mapfile(FILE1, 4 * PGSIZE, PROT_READ, MAP_PRIVATE), *next = mapfile(FILE1, PGSIZE, PROT_READ, MAP_PRIVATE);
  check(load(p + 3 * PGSIZE) == want[3 * PGSIZE], "mapping differs from the file");
  unmap(p + PGSIZE, PGSIZE);
  char *q = mapfile(FILE1, 2 * PGSIZE + 1, PROT_READ, MAP_PRIVATE);
  check((q + 3 * PGSIZE <= p || q >= p + PGSIZE) && (q + 3 * PGSIZE <= p + 2 * PGSIZE || q >= p + 4 * PGSIZE) &&
        (q + 3 * PGSIZE <= next || q >= next + PGSIZE), "a new mapping lies over an older one, beside a small gap");
  unmap(p, 4 * PGSIZE);
  unmap(q, 3 * PGSIZE);
  unmap(next, PGSIZE);
}

// With the table full there is no slot for a second piece: munmap may fail then, but not half.
static void
nosplit(void)
{
  char *q[128], *p;
  int n = 0;

  newfile(12, 3 * PGSIZE);
  p = mapfile(FILE1, 3 * PGSIZE, RDWR, MAP_PRIVATE);
  for (int i = 0; i < 3; i++)
    p[i * PGSIZE] = want[i * PGSIZE] = 'n';
  int fd = opened(FILE1, O_RDONLY);
  while (n < 128 && (q[n] = mmap(0, PGSIZE, PROT_READ, MAP_PRIVATE, fd, 0)) != FAILED)
    n++;
  close(fd);
  if (munmap(p + PGSIZE, PGSIZE) < 0)
    same(p, want, 3 * PGSIZE, "munmap failed, but the pages are not what they were");
  else
    check(!readable(p + PGSIZE), "a page is there after its munmap");
  while (n-- > 0)
    unmap(q[n], PGSIZE);
  unmap(p, 3 * PGSIZE);
}

static void
split(void)
{
  pieces();
  gaps();
  nosplit();
  latetouch();
  piecesoften();
}

// ---- write-back

// More dirty pages than fit into the log at one time.
static void
manydirty(void)
{
  newfile(4, BIG * PGSIZE);
  char *p = mapfile(FILE1, BIG * PGSIZE, RDWR, MAP_SHARED);
  for (int i = 0; i < BIG; i++)
    p[i * PGSIZE + i] = want[i * PGSIZE + i] = 'm';
  unmap(p, BIG * PGSIZE);
  holds(FILE1, want, BIG * PGSIZE, "60 dirty pages were not all written back");
}

// What a system call stores counts, in a page that was only read before too.
static void
callstores(void)
{
  static char text[] = "stored by read";
  int fds[2];

  newfile(5, 2 * PGSIZE);
  char *p = mapfile(FILE1, 2 * PGSIZE, RDWR, MAP_SHARED);
  same(p, want, 2 * PGSIZE, "mapping differs from the file");
  check(pipe(fds) == 0 && write(fds[1], text, sizeof(text)) == sizeof(text), "pipe");
  check(read(fds[0], p + PGSIZE - 5, sizeof(text)) == sizeof(text), "read() to pages that were read before");
  memmove(want + PGSIZE - 5, text, sizeof(text));
  same(p, want, 2 * PGSIZE, "read() stored something else");
  close(fds[0]);
  close(fds[1]);
  unmap(p, 2 * PGSIZE);
  holds(FILE1, want, 2 * PGSIZE, "what read() stored in pages that were read before was not written back");
}

// The last page ends with the file, which becomes shorter and longer meanwhile.
static void
movingend(void)
{
  newfile(6, PGSIZE + 100);
  char *p = mapfile(FILE1, 3 * PGSIZE, RDWR, MAP_SHARED);
  p[PGSIZE + 50] = want[PGSIZE + 50] = 'e';
  p[PGSIZE + 100] = p[2 * PGSIZE] = 'x';
  unmap(p + 2 * PGSIZE, PGSIZE);
  unmap(p, 2 * PGSIZE);
  holds(FILE1, want, PGSIZE + 100, "a store behind the end of the file changed its size, or one before it was lost");

  p = mapfile(FILE1, 2 * PGSIZE, RDWR, MAP_SHARED);
  p[10] = p[PGSIZE + 10] = 's';
  newfile(7, 20);                               // shorter now
  unmap(p, 2 * PGSIZE);
  struct stat st;
  check(stat(FILE1, &st) == 0 && st.size == 20, "write-back changed the size of a file that had become shorter");
}

// A page that was written back, and read again, is clean.
static void
cleanagain(void)
{
  newfile(8, PGSIZE);
  char *p = mapfile(FILE1, PGSIZE, RDWR, MAP_SHARED);
  p[0] = want[0] = '1';
  unmap(p, PGSIZE);
  p = mapfile(FILE1, PGSIZE, RDWR, MAP_SHARED);
  check(load(p) == '1', "a store is not in a new mapping");
  memset(want, 'n', 200);
  int fd = opened(FILE1, O_WRONLY);
  check(write(fd, want, 200) == 200, "write");
  close(fd);
  unmap(p, PGSIZE);
  holds(FILE1, want, PGSIZE, "a page that was only read was written back over newer data");
}

static void
writeback(void)
{
  manydirty();
  callstores();
  movingend();
  cleanagain();
}

// ---- ranges: munmap of what is no mapping. It may return what it likes, but must change nothing.

static void
notmine(char *p)
{
  static uint64 at[] = { 0, 0x1000, 0x10000000, LOW - 5 * PGSIZE, HIGH, 1UL << 37, MAXVA - 2 * PGSIZE, MAXVA - PGSIZE, MAXVA,
                         1UL << 39, 1UL << 63, -(uint64)PGSIZE };
  static uint64 len[] = { 1, PGSIZE, 5 * PGSIZE };

  for (int i = 0; i < sizeof(at) / sizeof(at[0]); i++)
    for (int k = 0; k < sizeof(len) / sizeof(len[0]); k++)
      munmap((char *)at[i], len[k]);
  munmap(sbrk(0) - PGSIZE, PGSIZE);               // the heap
  munmap((char *)PGROUNDDOWN((uint64)&p), PGSIZE);  // the stack
  munmap(p + 4 * PGSIZE, 100 << 20);
  munmap((char *)-PGSIZE, 2 * PGSIZE);
  munmap((char *)(1UL << 38), -1UL);
  check(munmap((char *)1, PGSIZE) == -1, "munmap accepts address 1");
  check(munmap((char *)-1, PGSIZE) == -1, "munmap accepts address -1");
  check(munmap(p + 100, PGSIZE) == -1, "munmap accepts an address that is not page-aligned");
  check(munmap(p, 0) == -1, "munmap accepts length 0");
  check(munmap(p + PGSIZE, -(uint64)PGSIZE) == -1, "munmap accepts a range that ends before it begins");
  check(munmap(p + 2 * PGSIZE, -1UL) == -1, "munmap accepts length 2^64 - 1");
}

static void
ranges(void)
{
  newfile(9, 4 * PGSIZE);
  char *heap = sbrk(3 * PGSIZE);
  check(heap != SBRK_ERROR, "sbrk");
  fill(heap, 9, 3 * PGSIZE);
  char *p = mapfile(FILE1, 4 * PGSIZE, RDWR, MAP_PRIVATE), *q = mapfile(FILE1, PGSIZE, PROT_READ, MAP_SHARED);
  p[7] = want[7] = p[3 * PGSIZE + 7] = want[3 * PGSIZE + 7] = 'r';
  unmap(q, PGSIZE);
  notmine(p);
  same(heap, want, 7, "munmap changed the heap");
  same(heap + 8, want + 8, 3 * PGSIZE - 8, "munmap changed the heap");
  same(p, want, 4 * PGSIZE, "munmap of what is not mapped changed a mapping");

  sbrk(-PGSIZE);
  sbrk(-0x7fff0000);                              // more than there is
  same(p, want, 4 * PGSIZE, "a smaller heap changed a mapping");
  if (munmap(p + PGSIZE, (1UL << 32) + PGSIZE) == 0)   // farther than mappings lie, so that it may be refused
    check(!readable(p + 2 * PGSIZE) && !readable(p + 3 * PGSIZE), "munmap of 4 GB and a page unmapped a page");
  unmap(p, 4 * PGSIZE);
}

// ---- lost: what munmap takes away is free again: pages, and the blocks of files that have no name any more

static void
round(int i)
{
  char *p = mapfile(FILE1, 4 * PGSIZE, RDWR, MAP_SHARED), *q = mapfile(FILE1, 4 * PGSIZE, RDWR, MAP_PRIVATE);
  char *r = mapfile(FILE1, 8 << 20, PROT_READ, MAP_SHARED);

  p[0] = p[3 * PGSIZE] = q[PGSIZE] = q[2 * PGSIZE] = i;
  load(p + PGSIZE);
  load(q);
  load(r + (4 << 20));
  unmap(p + PGSIZE, 2 * PGSIZE);
  unmap(p, 4 * PGSIZE);
  unmap(q + 2 * PGSIZE, 2 * PGSIZE);
  unmap(q, PGSIZE);
  unmap(q + PGSIZE, PGSIZE);
  unmap(r, 8 << 20);
}

static void
unlinked(int i)
{
  newfile(i, 30 * PGSIZE);
  char *p = mapfile(FILE1, 30 * PGSIZE, RDWR, MAP_SHARED);
  check(unlink(FILE1) == 0, "unlink");
  for (int k = 0; k < 30; k++)
    p[k * PGSIZE] = 'u';
  unmap(p, 15 * PGSIZE);
  check(load(p + 16 * PGSIZE + 1) == want[16 * PGSIZE + 1], "a mapping of a file without a name has changed");
  unmap(p, 30 * PGSIZE);
}

static void
lost(void)
{
  shrink();
  newfile(10, 4 * PGSIZE);
  round(0);   // what the kernel keeps for later it has now
  int before = freepages();
  for (int i = 0; i < 30; i++)
    round(i);
  check(freepages() > before - 20, "munmap loses pages");

  shrinkdisk();
  unlinked(0);
  before = freeblocks();
  unlinked(1);
  check(freeblocks() > before - 20, "the blocks of unlinked files do not come back at munmap");
}

static struct section all[] = {
  { "split",        "mappings in pieces",     split },
  { "writeback",    "write-back",             writeback },
  { "ranges",       "munmap of other ranges", ranges },
  { "munmap-frees", "what munmap gives back", lost },
};

int
main(int argc, char *argv[])
{
  exit(sections(argc, argv, all, sizeof(all) / sizeof(all[0])));
}
