// mmaptest.c - tests of mmap and munmap, in sections: the usual ones, or those that are named.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"

#define FAILED  ((char *)-1)            // what mmap returns on failure
#define RDWR    (PROT_READ | PROT_WRITE)
#define BIG     20                      // pages: more blocks than the log holds
#define MANY    110                     // more files than the system can have open
#define SPARE   1024                    // pages that shrink() leaves
#define DISK    2000                    // blocks of a disk of the usual size
#define FILE1   "mmap.1"
#define FILE2   "mmap.2"

static char want[BIG * PGSIZE];         // what FILE1 should hold
static char want2[4 * PGSIZE];          // what FILE2 should hold
static char *self;                      // how this program was called

// ---- checks

static void
fail(char *what)
{
  printf("mmaptest failure: %s, pid=%d\n", what, getpid());
  exit(1);
}

static void
check(int ok, char *what)
{
  if (!ok)
    fail(what);
}

// The n bytes at p are these; the first of them is called byte number at.
static void
compare(char *p, char *bytes, int n, int at, char *what)
{
  for (int i = 0; i < n; i++)
    if (p[i] != bytes[i]) {
      printf("mmaptest failure: %s: byte %d is 0x%x, not 0x%x, pid=%d\n",
             what, at + i, (uchar)p[i], (uchar)bytes[i], getpid());
      exit(1);
    }
}

static void
same(char *p, char *bytes, int n, char *what)
{
  compare(p, bytes, n, 0, what);
}

// ---- files

// Fill buf with size bytes that tell one seed, page and position from another, then zeroes up to max.
static void
fill(char *buf, int seed, int size, int max)
{
  for (int i = 0; i < size; i++)
    buf[i] = 1 + (seed * 31 + i) % 251;
  memset(buf + size, 0, max - size);
}

static int
opened(char *name, int flags)
{
  int fd = open(name, flags);

  check(fd >= 0, "open");
  return fd;
}

// Make a file of these n bytes.
static void
save(char *name, char *bytes, int n)
{
  int fd = opened(name, O_CREATE | O_TRUNC | O_RDWR);

  check(write(fd, bytes, n) == n, "write");
  close(fd);
}

// FILE1 gets size bytes made from seed, and so does want.
static void
newfile(int seed, int size)
{
  fill(want, seed, size, sizeof(want));
  save(FILE1, want, size);
}

static void
newfile2(int seed, int size)
{
  fill(want2, seed, size, sizeof(want2));
  save(FILE2, want2, size);
}

// The file begins with these n bytes. They are read in pieces that go from one page into the next.
static void
begins(char *name, char *bytes, int n, char *what)
{
  static char block[PGSIZE];
  int fd = opened(name, O_RDONLY);

  for (int done = 0, step; done < n; done += step) {
    step = done > 0 ? PGSIZE : 512;
    if (step > n - done)
      step = n - done;
    check(read(fd, block, step) == step, what);
    compare(block, bytes + done, step, done, what);
  }
  close(fd);
}

// The file is these n bytes, and not longer.
static void
holds(char *name, char *bytes, int n, char *what)
{
  struct stat st;

  check(stat(name, &st) == 0 && st.size == n, what);
  begins(name, bytes, n, what);
}

// ---- mappings

static char *
map(char *what, int fd, int offset, int len, int prot, int flags)
{
  char *p = mmap(0, len, prot, flags, fd, offset);

  check(p != FAILED && p != 0, what);
  check((uint64)p % PGSIZE == 0, "mmap returns an address that is not page-aligned");
  return p;
}

// The whole of FILE1's first len bytes, mapped through a file that is closed at once.
static char *
mapfile1(int len, int prot, int flags)
{
  int fd = opened(FILE1, O_RDWR);
  char *p = map("mmap", fd, 0, len, prot, flags);

  close(fd);
  return p;
}

// mmap must not accept this.
static void
refused(char *what, int fd, long offset, uint64 len, int prot, int flags)
{
  check(mmap(0, len, prot, flags, fd, offset) == FAILED, what);
}

static void
unmap(char *p, int len)
{
  check(munmap(p, len) == 0, "munmap");
}

static int
apart(char *p, int plen, char *q, int qlen)
{
  return p + plen <= q || q + qlen <= p;
}

// Can a system call read the byte at p? If not, it fails, where a load would end the process.
// p is unmapped, or was touched before: this is no test of faults in the kernel.
static int
readable(char *p)
{
  int fds[2];

  check(pipe(fds) == 0, "pipe");
  int n = write(fds[1], p, 1);
  close(fds[0]);
  close(fds[1]);
  return n == 1;
}

// ---- children

static int in, out;   // pipes from and to the other side, after child()

// fork, with pipes in both directions. The side that ends leaves the other an end of file, not a wait for ever.
static int
child(void)
{
  int down[2], up[2];

  check(pipe(down) == 0 && pipe(up) == 0, "pipe");
  int pid = fork();
  check(pid >= 0, "fork");
  in = pid ? up[0] : down[0];
  out = pid ? down[1] : up[1];
  close(pid ? up[1] : down[1]);
  close(pid ? down[0] : up[0]);
  return pid;
}

static void
tell(void)
{
  write(out, "!", 1);
}

// Wait until the other side tells. If it has ended instead, end too: whoever failed has said why.
static void
hear(void)
{
  char c;
  int status;

  if (read(in, &c, 1) == 1)
    return;
  if (wait(&status) < 0 || status == 1)
    exit(1);
  fail("the child ended early");
}

// Wait for the child to end with this status, -1 if it is killed.
static void
join(int expected, char *what)
{
  int status;

  close(out);
  check(wait(&status) > 0, "wait");
  close(in);
  if (status == 1)
    exit(1);   // the child has said why
  check(status == expected, what);
}

// ---- basic: a file is seen in memory, from where it was asked for; lengths and offsets are checked

static void
firstmapping(void)
{
  newfile(1, PGSIZE + PGSIZE / 2);
  int fd = opened(FILE1, O_RDONLY);
  char *p = map("mmap (1)", fd, 0, 2 * PGSIZE, PROT_READ, MAP_PRIVATE);
  same(p, want, PGSIZE + PGSIZE / 2, "mapping differs from the file");
  same(p, want, 2 * PGSIZE, "mapping is not zero behind the end of the file");
  check(munmap(p, 2 * PGSIZE) == 0, "munmap (1)");
  check(!readable(p) && !readable(p + PGSIZE), "memory is there after munmap (1)");
  close(fd);
}

// The mapping does not need the fd, nor the name.
static void
outlives(void)
{
  newfile(2, 2 * PGSIZE);
  int fd = opened(FILE1, O_RDONLY);
  char *p = map("mmap (2)", fd, 0, 2 * PGSIZE, PROT_READ, MAP_PRIVATE);
  close(fd);
  check(unlink(FILE1) == 0, "unlink");
  newfile2(3, 2 * PGSIZE);   // would take the blocks of FILE1, were they free
  same(p, want, 2 * PGSIZE, "mapping of a closed and unlinked file differs from what it was");
  unmap(p, 2 * PGSIZE);
}

static void
offsets(void)
{
  newfile(4, 3 * PGSIZE);
  int fd = opened(FILE1, O_RDONLY);
  char *p = map("mmap (3)", fd, PGSIZE, PGSIZE, PROT_READ, MAP_PRIVATE);
  char *q = map("mmap (4)", fd, 2 * PGSIZE, 2 * PGSIZE, PROT_READ, MAP_SHARED);
  same(p, want + PGSIZE, PGSIZE, "mapping at offset 4096 differs from the file there");
  same(q, want + 2 * PGSIZE, 2 * PGSIZE, "mapping at offset 8192 differs from the file there");
  unmap(p, PGSIZE);
  unmap(q, 2 * PGSIZE);
  close(fd);
}

static void
basic(void)
{
  firstmapping();
  outlives();
  offsets();

  int fd = opened(FILE1, O_RDONLY);
  refused("mmap accepts length 0", fd, 0, 0, PROT_READ, MAP_PRIVATE);
  refused("mmap accepts length -4096", fd, 0, -PGSIZE, PROT_READ, MAP_PRIVATE);
  refused("mmap accepts length -1", fd, 0, -1, PROT_READ, MAP_PRIVATE);
  refused("mmap accepts length 2^32 + 4096", fd, 0, (1UL << 32) + PGSIZE, PROT_READ, MAP_PRIVATE);
  refused("mmap accepts length 2^39", fd, 0, 1UL << 39, PROT_READ, MAP_PRIVATE);
  refused("mmap accepts offset 100", fd, 100, PGSIZE, PROT_READ, MAP_PRIVATE);
  refused("mmap accepts offset -4096", fd, -PGSIZE, PGSIZE, PROT_READ, MAP_PRIVATE);
  close(fd);
}

// ---- private: stores stay in the process

static void
privatestores(void)
{
  newfile(5, PGSIZE + 100);
  int fd = opened(FILE1, O_RDONLY);
  char *p = map("mmap of a read-only file, PROT_WRITE and MAP_PRIVATE", fd, 0, 2 * PGSIZE, RDWR, MAP_PRIVATE);
  char *shared = map("mmap", fd, 0, 2 * PGSIZE, PROT_READ, MAP_SHARED);
  same(shared, want, 2 * PGSIZE, "shared mapping differs from the file");

  fill(want2, 5, PGSIZE + 100, 2 * PGSIZE);   // what p should hold
  p[5] = want2[5] = '5';                      // first a store, then a load in page 0; the reverse in page 1
  same(p, want2, 2 * PGSIZE, "page differs from the file but for the byte stored");
  p[PGSIZE + 99] = want2[PGSIZE + 99] = '9';
  p[2 * PGSIZE - 1] = want2[2 * PGSIZE - 1] = 'z';
  same(p, want2, 2 * PGSIZE, "page differs from what was stored there");

  same(shared, want, 2 * PGSIZE, "private store is seen in another mapping");
  holds(FILE1, want, PGSIZE + 100, "private store is seen in the file");
  unmap(p, 2 * PGSIZE);
  unmap(shared, 2 * PGSIZE);
  holds(FILE1, want, PGSIZE + 100, "private page was written back");

  p = map("mmap", fd, 0, 2 * PGSIZE, RDWR, MAP_PRIVATE);
  same(p, want, 2 * PGSIZE, "new mapping differs from the file");
  unmap(p, 2 * PGSIZE);
  close(fd);
}

static void
private(void)
{
  privatestores();

  int fd = opened(FILE1, O_RDWR);
  refused("mmap accepts flags 0", fd, 0, PGSIZE, PROT_READ, 0);
  refused("mmap accepts MAP_SHARED | MAP_PRIVATE", fd, 0, PGSIZE, PROT_READ, MAP_SHARED | MAP_PRIVATE);
  refused("mmap accepts an unknown flag", fd, 0, PGSIZE, PROT_READ, MAP_PRIVATE | 0x1000);
  refused("mmap accepts an unknown prot bit", fd, 0, PGSIZE, PROT_READ | 0x40, MAP_PRIVATE);
  close(fd);
}

// ---- read-only: what the file is open for, and what prot allows

static void
openmodes(void)
{
  int fd = opened(FILE1, O_RDONLY);
  refused("mmap of a read-only file accepts PROT_READ | PROT_WRITE, MAP_SHARED", fd, 0, PGSIZE, RDWR, MAP_SHARED);
  refused("mmap of a read-only file accepts PROT_WRITE, MAP_SHARED", fd, 0, PGSIZE, PROT_WRITE, MAP_SHARED);
  char *p = map("mmap of a read-only file, MAP_SHARED", fd, 0, PGSIZE, PROT_READ, MAP_SHARED);
  check(p[0] == want[0], "mapping differs from the file");
  unmap(p, PGSIZE);
  close(fd);

  fd = opened(FILE1, O_WRONLY);
  refused("mmap of a write-only file accepts PROT_READ, MAP_PRIVATE", fd, 0, PGSIZE, PROT_READ, MAP_PRIVATE);
  refused("mmap of a write-only file accepts PROT_READ, MAP_SHARED", fd, 0, PGSIZE, PROT_READ, MAP_SHARED);
  refused("mmap of a write-only file accepts PROT_WRITE, MAP_SHARED", fd, 0, PGSIZE, PROT_WRITE, MAP_SHARED);
  refused("mmap of a write-only file accepts PROT_READ | PROT_WRITE, MAP_PRIVATE", fd, 0, PGSIZE, RDWR, MAP_PRIVATE);
  close(fd);
}

// System calls must not store where the process may not. Page 0 was touched, page 1 never.
static void
kernelstores(int flags)
{
  newfile2(7, PGSIZE);
  char *p = mapfile1(2 * PGSIZE, PROT_READ, flags);
  same(p, want, PGSIZE, "mapping differs from the file");
  int fd = opened(FILE2, O_RDONLY);
  check(read(fd, p, 100) != 100, "read() stores into a read-only page that was touched");
  check(read(fd, p + PGSIZE, 100) != 100, "read() stores into a read-only page never touched");
  close(fd);
  same(p, want, 2 * PGSIZE, "read-only mapping has changed");
  unmap(p, 2 * PGSIZE);
  holds(FILE1, want, 2 * PGSIZE, "read-only mapping was written back");
}

// A refused mmap keeps no reference to the file.
static void
refusedoften(void)
{
  for (int i = 0; i < MANY; i++) {
    int fd = open(FILE1, O_RDONLY);
    check(fd >= 0, "refused mmaps keep files open");
    refused("mmap of a read-only file accepts PROT_WRITE, MAP_SHARED", fd, 0, PGSIZE, RDWR, MAP_SHARED);
    close(fd);
  }
}

static void
readonly(void)
{
  newfile(6, 2 * PGSIZE);
  openmodes();
  kernelstores(MAP_SHARED);
  kernelstores(MAP_PRIVATE);

  char *p = mapfile1(PGSIZE, PROT_NONE, MAP_PRIVATE);
  check(!readable(p), "a page with PROT_NONE can be read");
  unmap(p, PGSIZE);
  refusedoften();
}

// ---- read-write: stores reach the file, whichever part is unmapped first

// Unmap in two steps. The file ends inside the last page.
static void
headfirst(void)
{
  int size = 2 * PGSIZE + PGSIZE / 2;

  newfile(8, size);
  int fd = opened(FILE1, O_RDWR);
  char *p = map("mmap", fd, 0, 3 * PGSIZE, RDWR, MAP_SHARED);
  close(fd);
  same(p, want, 3 * PGSIZE, "mapping differs from the file");
  for (int page = 0; page < 3; page++)
    p[page * PGSIZE + 7] = want[page * PGSIZE + 7] = '0' + page;
  p[3 * PGSIZE - 1] = 'x';   // behind the end of the file

  unmap(p, 2 * PGSIZE);
  begins(FILE1, want, 2 * PGSIZE, "munmap of the first two pages did not write them back");
  same(p + 2 * PGSIZE, want + 2 * PGSIZE, PGSIZE / 2, "the last page suffered when those before it were unmapped");
  unmap(p + 2 * PGSIZE, PGSIZE);
  holds(FILE1, want, size, "munmap of the last page did not write it back right");
}

// Unmap the n pages of a mapping one by one, in this order. Each has to reach the file, and leave the others alone.
static void
onebyone(char *order, int n)
{
  newfile(9, n * PGSIZE);
  char *p = mapfile1(n * PGSIZE, RDWR, MAP_SHARED);
  for (int page = 0; page < n; page++)
    p[page * PGSIZE + page] = want[page * PGSIZE + page] = 'A' + page;

  for (int i = 0; i < n; i++) {
    int page = order[i] - '0';
    unmap(p + page * PGSIZE, PGSIZE);
    check(!readable(p + page * PGSIZE), "a page is there after its munmap");
    for (int k = i + 1; k < n; k++) {
      page = order[k] - '0';
      same(p + page * PGSIZE, want + page * PGSIZE, PGSIZE, "a page suffered when another was unmapped");
    }
  }
  holds(FILE1, want, n * PGSIZE, "pages unmapped one by one did not all reach the file");
}

// No page table entry can allow stores alone, but prot can.
static void
writeonly(void)
{
  newfile(10, PGSIZE);
  char *p = mapfile1(PGSIZE, PROT_WRITE, MAP_SHARED);
  p[5] = want[5] = 'w';
  unmap(p, PGSIZE);
  holds(FILE1, want, PGSIZE, "a store with PROT_WRITE alone did not reach the file");
}

static void
readwrite(void)
{
  headfirst();
  onebyone("3012", 4);
  onebyone("102", 3);
  writeonly();
}

// ---- dirty: what was written is written back, where it belongs, and nothing else is

// Most pages are dirty; page 0 was only read, and the file is newer there. One was never touched.
static void
dirtypages(void)
{
  newfile(11, BIG * PGSIZE);
  int fd = opened(FILE1, O_RDWR);
  char bytes[10];
  check(read(fd, bytes, 10) == 10, "read");
  char *p = map("mmap", fd, 0, BIG * PGSIZE, RDWR, MAP_SHARED);
  check(p[0] == want[0], "mapping differs from the file");
  for (int page = 1; page < BIG; page++)
    if (page != 3)
      p[page * PGSIZE + page] = want[page * PGSIZE + page] = 'd';

  int fd2 = opened(FILE1, O_WRONLY);
  memset(want, 'n', 100);
  check(write(fd2, want, 100) == 100, "write");
  close(fd2);
  unmap(p, BIG * PGSIZE);
  begins(FILE1, want, PGSIZE, "a page that was only read was written back over newer data");
  holds(FILE1, want, BIG * PGSIZE, "dirty pages were not written back right");
  check(read(fd, bytes, 10) == 10 && memcmp(bytes, want + 10, 10) == 0, "write-back moved the file's offset");
  close(fd);
}

// Dirty pages of a mapping that begins inside the file.
static void
dirtyoffset(void)
{
  newfile(12, 3 * PGSIZE);
  int fd = opened(FILE1, O_RDWR);
  char *p = map("mmap", fd, PGSIZE, 2 * PGSIZE, RDWR, MAP_SHARED);
  close(fd);
  p[1] = want[PGSIZE + 1] = '1';
  p[PGSIZE + 2] = want[2 * PGSIZE + 2] = '2';
  unmap(p, 2 * PGSIZE);
  holds(FILE1, want, 3 * PGSIZE, "a mapping at offset 4096 was written back to the wrong place");
}

static void
dirtyend(void)
{
  newfile(13, 100);
  char *p = mapfile1(3 * PGSIZE, RDWR, MAP_SHARED);
  p[0] = want[0] = 's';
  p[2000] = p[2 * PGSIZE] = 'x';
  unmap(p, 3 * PGSIZE);
  holds(FILE1, want, 100, "the file grew, or lost the store before its end");

  p = mapfile1(PGSIZE, RDWR, MAP_SHARED);
  p[0] = 't';
  close(opened(FILE1, O_WRONLY | O_TRUNC));
  unmap(p, PGSIZE);
  holds(FILE1, want, 0, "write-back made a truncated file grow again");
}

static void
dirty(void)
{
  dirtypages();
  dirtyoffset();
  dirtyend();
}

// ---- unmapped: munmap of what is not there, not any more, or was never touched

static void
nevertouched(void)
{
  newfile(14, 3 * PGSIZE);
  char *p = mapfile1(3 * PGSIZE, RDWR, MAP_SHARED);
  p[2 * PGSIZE + 1] = want[2 * PGSIZE + 1] = 'u';
  unmap(p, PGSIZE);
  same(p + PGSIZE, want + PGSIZE, 2 * PGSIZE, "after munmap of page 0, page 1 is not the file's");
  unmap(p + PGSIZE, 2 * PGSIZE);
  holds(FILE1, want, 3 * PGSIZE, "after munmap of page 0, page 2 was not written back right");

  p = mapfile1(3 * PGSIZE, RDWR, MAP_SHARED);
  unmap(p, 3 * PGSIZE);
  holds(FILE1, want, 3 * PGSIZE, "munmap of pages never touched changed the file");
}

// Whatever munmap returns for a range without a mapping, the mappings beside it stay.
static void
notmapped(void)
{
  char *p = mapfile1(4 * PGSIZE, PROT_READ, MAP_PRIVATE);

  same(p, want, 4 * PGSIZE, "mapping differs from the file");
  check(munmap(p + 1, PGSIZE) < 0, "munmap accepts an address that is not page-aligned");
  unmap(p, 100);
  check(!readable(p) && readable(p + PGSIZE), "munmap(p, 100) did not unmap one page");
  unmap(p + 3 * PGSIZE, PGSIZE);
  munmap(p, PGSIZE);
  munmap(p + 3 * PGSIZE, PGSIZE);
  check(!readable(p + 3 * PGSIZE), "the byte behind the end can be read after the tail was unmapped");
  same(p + PGSIZE, want + PGSIZE, 2 * PGSIZE, "munmap of what is not mapped changed a neighbour");
  unmap(p, 4 * PGSIZE);
  check(!readable(p + PGSIZE) && !readable(p + 2 * PGSIZE), "munmap of a range with holes left pages behind");
  munmap(p, 4 * PGSIZE);
}

static void
order(void)
{
  onebyone("2031", 4);
  newfile(15, 3 * PGSIZE);
  char *p = mapfile1(3 * PGSIZE, PROT_READ, MAP_SHARED);
  unmap(p + PGSIZE, PGSIZE);   // the middle, and nothing was touched yet
  same(p, want, PGSIZE, "after munmap of the middle, the head is not the file's");
  same(p + 2 * PGSIZE, want + 2 * PGSIZE, PGSIZE, "after munmap of the middle, the tail is not the file's");
  unmap(p, 3 * PGSIZE);
}

// Large mappings, hardly touched; and together more of them than there are addresses.
static void
large(void)
{
  int len = 300 << 20;

  for (int i = 0; i < 4; i++) {
    int fd = opened(FILE1, O_RDWR);
    char *p = map("mmap of 300 MB, after as much was unmapped", fd, 0, len, RDWR, MAP_SHARED);
    close(fd);
    check(p[100 << 20] == 0, "mapping is not zero far behind the end of the file");
    unmap(p, len);
  }
}

// With the table full mmap fails, a split too or not; what is there stays, and a free slot can be used.
static void
fulltable(void)
{
  char *p, *last = 0, *first = mapfile1(3 * PGSIZE, PROT_READ, MAP_PRIVATE);
  int fd = opened(FILE1, O_RDONLY), n = 0;

  while (n < 200 && (p = mmap(0, PGSIZE, PROT_READ, MAP_PRIVATE, fd, 0)) != FAILED) {
    last = p;
    n++;
  }
  check(last != 0, "a second mmap failed");
  int split = munmap(first + PGSIZE, PGSIZE) == 0;
  same(first, want, PGSIZE, "munmap of the middle with the table full lost the head");
  same(first + 2 * PGSIZE, want + 2 * PGSIZE, PGSIZE, "munmap of the middle with the table full lost the tail");
  check(split || memcmp(first + PGSIZE, want + PGSIZE, PGSIZE) == 0, "munmap failed, but the page is not what it was");
  unmap(last, PGSIZE);
  map("mmap, after one of many mappings was unmapped,", fd, 0, PGSIZE, PROT_READ, MAP_PRIVATE);
  close(fd);
  unmap((char *)0x40000000, 0x40000000);   // all of them
  check(!readable(first) && !readable(first + 2 * PGSIZE), "munmap of everything left pages behind");
}

static void
unmapped(void)
{
  nevertouched();
  notmapped();
  order();
  large();
  fulltable();
}

// ---- lazy: a page comes with the first touch, by the process or by a system call

static void
firsttouch(void)
{
  newfile(16, 3 * PGSIZE);
  char *p = mapfile1(3 * PGSIZE, RDWR, MAP_SHARED);
  int fd = opened(FILE1, O_WRONLY);   // nothing was touched yet
  memset(want, 'L', 100);
  check(write(fd, want, 100) == 100, "write");
  close(fd);
  check(p[PGSIZE + 1234] == want[PGSIZE + 1234], "first touch inside a page shows the wrong byte");
  same(p + PGSIZE, want + PGSIZE, PGSIZE, "page differs from the file after a touch in its middle");
  same(p, want, 3 * PGSIZE, "page shows what the file was before the first touch");
  unmap(p, 3 * PGSIZE);

  newfile(17, 100);
  p = mapfile1(3 * PGSIZE, PROT_READ, MAP_PRIVATE);
  same(p + 2 * PGSIZE, want + 2 * PGSIZE, PGSIZE, "page behind the end of the file is not zero");
  same(p, want, 2 * PGSIZE, "100-byte file is not followed by zeroes");
  unmap(p, 3 * PGSIZE);
}

// write() from pages never touched, to a file and to a pipe; read() to such pages.
static void
kernelfaults(void)
{
  int fds[2];

  newfile(18, 4 * PGSIZE);
  char *p = mapfile1(4 * PGSIZE, PROT_READ, MAP_PRIVATE);
  int fd = opened(FILE2, O_CREATE | O_TRUNC | O_RDWR);
  check(write(fd, p + 100, PGSIZE) == PGSIZE, "write() of a mapping never touched");
  holds(FILE2, want + 100, PGSIZE, "write() of a mapping never touched wrote something else");
  check(pipe(fds) == 0, "pipe");
  check(write(fds[1], p + 2 * PGSIZE, 100) == 100, "write() to a pipe of a page never touched");
  unmap(p, 4 * PGSIZE);
  close(fd);

  p = mapfile1(4 * PGSIZE, RDWR, MAP_SHARED);
  memmove(want + 50, want + 2 * PGSIZE, 100);
  check(read(fds[0], p + 50, 100) == 100, "read() from a pipe to a page never touched");
  fd = opened(FILE2, O_RDONLY);
  check(read(fd, p + 2 * PGSIZE - 10, PGSIZE) == PGSIZE, "read() from a file to pages never touched");
  begins(FILE2, p + 2 * PGSIZE - 10, PGSIZE, "read() to pages never touched stored something else");
  memmove(want + 2 * PGSIZE - 10, p + 2 * PGSIZE - 10, PGSIZE);
  unmap(p, 4 * PGSIZE);
  holds(FILE1, want, 4 * PGSIZE, "what read() stored in a mapping was not written back");
  close(fd);
  close(fds[0]);
  close(fds[1]);
}

// Calls that store a result.
static void
kernelresults(void)
{
  struct stat st;
  int status;
  int pid = child();

  if (pid == 0) {
    hear();
    exit(44);
  }
  newfile(19, 2 * PGSIZE);
  int fd = opened(FILE1, O_RDWR);
  char *p = map("mmap", fd, 0, 2 * PGSIZE, RDWR, MAP_PRIVATE);
  tell();
  check(wait((int *)(p + 64)) == pid, "wait() with its result in a page never touched");
  memmove(&status, p + 64, sizeof(status));
  check(status == 44, "wait() stored something else in a page never touched");
  check(fstat(fd, (struct stat *)(p + PGSIZE)) == 0, "fstat() to a page never touched");
  memmove(&st, p + PGSIZE, sizeof(st));
  check(st.size == 2 * PGSIZE, "fstat() stored something else in a page never touched");
  unmap(p, 2 * PGSIZE);
  close(fd);
  close(in);
  close(out);
}

// The file that a call reads or writes is the one whose page it has to bring in.
static void
ownfile(void)
{
  newfile(20, 3 * PGSIZE);
  int fd = opened(FILE1, O_RDWR);
  char *p = map("mmap", fd, 0, 3 * PGSIZE, RDWR, MAP_SHARED);
  check(read(fd, p + PGSIZE, 1000) == 1000, "read() of a file to its own mapping");
  memmove(want + PGSIZE, want, 1000);
  same(p + PGSIZE, want + PGSIZE, PGSIZE, "read() of a file to its own mapping stored something else");
  check(write(fd, p + 2 * PGSIZE, 1000) == 1000, "write() to a file from its own mapping");
  memmove(want + 1000, want + 2 * PGSIZE, 1000);
  unmap(p, 3 * PGSIZE);
  holds(FILE1, want, 3 * PGSIZE, "the file is wrong after read() and write() with its own mapping");
  close(fd);
}

static void
lazy(void)
{
  firsttouch();
  kernelfaults();
  kernelresults();
  ownfile();
}

// ---- two-files: mappings of several files don't get in each other's way; what is no file can't be mapped

static void
twomappings(void)
{
  newfile(21, PGSIZE);
  newfile2(22, 2 * PGSIZE);
  int fd = opened(FILE1, O_RDWR), fd2 = opened(FILE2, O_RDWR);
  char *p = map("mmap of the first file", fd, 0, PGSIZE, RDWR, MAP_SHARED);
  char *q = map("mmap of the second file", fd2, 0, 2 * PGSIZE, RDWR, MAP_SHARED);
  check(apart(p, PGSIZE, q, 2 * PGSIZE), "two mappings overlap");
  close(fd);
  close(fd2);
  same(p, want, PGSIZE, "first mapping differs from its file");
  same(q, want2, 2 * PGSIZE, "second mapping differs from its file");
  p[1] = want[1] = '1';
  q[1] = want2[1] = '2';
  q[2 * PGSIZE - 1] = want2[2 * PGSIZE - 1] = '3';

  char *low = p < q ? p : q, *high = p < q ? q + 2 * PGSIZE : p + PGSIZE;
  unmap(low, high - low);
  check(!readable(p) && !readable(q) && !readable(q + PGSIZE), "one munmap over two mappings left pages behind");
  holds(FILE1, want, PGSIZE, "one munmap over two mappings: first file is wrong");
  holds(FILE2, want2, 2 * PGSIZE, "one munmap over two mappings: second file is wrong");
}

// Lengths that are no number of pages. The rest of the last page belongs to the mapping.
static void
oddlengths(void)
{
  static int len[] = { 100, PGSIZE + 1, 1 };
  char *p[3];
  int fd = opened(FILE2, O_RDONLY);

  for (int i = 0; i < 3; i++) {
    p[i] = map("mmap of an odd length", fd, 0, len[i], PROT_READ, MAP_PRIVATE);
    for (int k = 0; k < i; k++)
      check(apart(p[k], PGROUNDUP(len[k]), p[i], PGROUNDUP(len[i])), "mappings of odd lengths overlap");
  }
  for (int i = 0; i < 3; i++)
    same(p[i], want2, PGROUNDUP(len[i]), "mapping of an odd length differs from the file");
  for (int i = 0; i < 3; i++)
    unmap(p[i], len[i]);
  for (int i = 0; i < 3; i++)
    check(!readable(p[i] + PGROUNDUP(len[i]) - 1), "munmap of an odd length left a page behind");
  close(fd);
}

static void
nofile(void)
{
  int fds[2], fd = opened(FILE1, O_RDWR);

  close(fd);
  refused("mmap accepts a closed fd", fd, 0, PGSIZE, PROT_READ, MAP_SHARED);
  refused("mmap accepts fd -1", -1, 0, PGSIZE, PROT_READ, MAP_SHARED);
  refused("mmap accepts fd 1000", 1000, 0, PGSIZE, PROT_READ, MAP_SHARED);
  refused("mmap accepts fd 2^31 - 1", 0x7fffffff, 0, PGSIZE, PROT_READ, MAP_SHARED);
  check(pipe(fds) == 0, "pipe");
  refused("mmap accepts a pipe", fds[0], 0, PGSIZE, PROT_READ, MAP_PRIVATE);
  close(fds[0]);
  close(fds[1]);
  fd = opened("/console", O_RDWR);
  refused("mmap accepts a device", fd, 0, PGSIZE, RDWR, MAP_SHARED);
  close(fd);
  fd = opened("/", O_RDONLY);
  refused("mmap accepts a directory", fd, 0, PGSIZE, PROT_READ, MAP_PRIVATE);
  close(fd);
}

static void
twofiles(void)
{
  twomappings();
  oddlengths();
  nofile();
  for (int i = 0; i < MANY; i++) {
    int fd = open(FILE1, O_RDWR);
    check(fd >= 0, "mappings that are unmapped keep files open");
    char *p = map("mmap", fd, 0, PGSIZE, PROT_READ, MAP_SHARED);
    close(fd);
    check(p[1] == '1', "mapping differs from the file");
    unmap(p, PGSIZE);
  }
}

// ---- fork: the child has the mappings, and private pages of its own

static void
inherited(void)
{
  newfile(23, 2 * PGSIZE);
  newfile2(24, 2 * PGSIZE);
  char *hole = mapfile1(PGSIZE, PROT_READ, MAP_PRIVATE);
  char *shared = mapfile1(2 * PGSIZE, RDWR, MAP_SHARED);
  int fd = opened(FILE2, O_RDONLY);
  char *priv = map("mmap", fd, 0, 2 * PGSIZE, RDWR, MAP_PRIVATE);
  check(hole[0] == want[0] && shared[0] == want[0], "mapping differs from the file");
  unmap(hole, PGSIZE);
  priv[0] = want2[0] = 'P';

  if (child() == 0) {
    same(shared, want, 2 * PGSIZE, "child: shared mapping differs from the file");
    same(priv, want2, 2 * PGSIZE, "child: private mapping differs from the parent's");
    char *p = map("child: mmap", fd, 0, 2 * PGSIZE, PROT_READ, MAP_PRIVATE);
    check(apart(p, 2 * PGSIZE, shared, 2 * PGSIZE) && apart(p, 2 * PGSIZE, priv, 2 * PGSIZE),
          "child: mmap chose an address that the parent had mapped");
    priv[1] = priv[PGSIZE] = 'C';
    unmap(shared, 2 * PGSIZE);
    check(!readable(shared), "child: memory is there after munmap");
    exit(0);
  }
  join(0, "child with its parent's mappings did not end well");
  same(shared, want, 2 * PGSIZE, "the child's munmap or exit changed the parent's shared mapping");
  same(priv, want2, 2 * PGSIZE, "the child's store is seen in the parent's private mapping");
  unmap(shared, 2 * PGSIZE);
  unmap(priv, 2 * PGSIZE);
  close(fd);
}

// The parent unmaps first. The child touches a page then, and ends later: what it only read stays in the file as it is.
static void
childoutlives(void)
{
  newfile(25, 2 * PGSIZE);
  char *p = mapfile1(2 * PGSIZE, RDWR, MAP_SHARED);

  if (child() == 0) {
    check(p[0] == want[0], "child: mapping differs from the file");
    tell();
    hear();
    same(p + PGSIZE, want + PGSIZE, PGSIZE, "child: page differs from the file after the parent's munmap");
    exit(0);
  }
  hear();
  p[0] = want[0] = 'p';
  unmap(p, 2 * PGSIZE);
  holds(FILE1, want, 2 * PGSIZE, "the parent's store did not reach the file while a child has it mapped");
  tell();
  join(0, "child that outlives its parent's mapping did not end well");
  holds(FILE1, want, 2 * PGSIZE, "the child's exit wrote a page back that it only read");
}

// A large mapping, a page of it in use; and mappings with others unmapped between them, seen by a grandchild.
static void
sparse(void)
{
  char *p[6];

  newfile(26, PGSIZE);
  char *wide = mapfile1(4 << 20, RDWR, MAP_PRIVATE);
  wide[2 << 20] = 'w';
  for (int i = 0; i < 6; i++)
    p[i] = mapfile1(PGSIZE, RDWR, MAP_PRIVATE);
  for (int i = 0; i < 6; i += 2)
    unmap(p[i], PGSIZE);

  if (child() == 0) {
    if (child() == 0) {
      check(wide[2 << 20] == 'w' && wide[1] == want[1] && wide[3 << 20] == 0, "grandchild: large mapping is wrong");
      for (int i = 1; i < 6; i += 2)
        same(p[i], want, PGSIZE, "grandchild: mapping differs from the file");
      exit(0);
    }
    join(0, "grandchild did not end well");
    exit(0);
  }
  join(0, "child did not end well");
  unmap(wide, 4 << 20);
  for (int i = 1; i < 6; i += 2)
    unmap(p[i], PGSIZE);
}

// Files that both had mapped are closed when both have ended that. A round has 11 files.
static void
forkoften(void)
{
  char *p[11];

  for (int round = 0; round * 11 < MANY; round++) {
    for (int i = 0; i < 11; i++) {
      int fd = open(FILE1, O_RDONLY);
      check(fd >= 0, "mappings that fork copied keep files open");
      p[i] = map("mmap", fd, 0, PGSIZE, PROT_READ, MAP_PRIVATE);
      close(fd);
    }
    if (child() == 0)
      exit(p[round][3] == want[3] ? 0 : 2);
    join(0, "child: mapping differs from the file");
    for (int i = 0; i < 11; i++)
      unmap(p[i], PGSIZE);
  }
}

static void
forktest(void)
{
  inherited();
  childoutlives();
  sparse();
  forkoften();
}

// ---- access: a load from what was unmapped kills; two children do that

// A child that loads a byte at good, then one at bad.
static void
killedload(char *good, char expected, char *bad)
{
  if (child() == 0) {
    check(*(volatile char *)good == expected, "child: a page that is still mapped has changed");
    tell();
    *(volatile char *)bad;
    fail("child: memory can be read after munmap");
  }
  hear();
  join(-1, "a child that read unmapped memory was not killed");
}

static void
access(void)
{
  newfile(27, 3 * PGSIZE);
  char *p = mapfile1(3 * PGSIZE, RDWR, MAP_SHARED);
  same(p, want, 3 * PGSIZE, "mapping differs from the file");
  unmap(p + 2 * PGSIZE, PGSIZE);
  killedload(p, want[0], p + 2 * PGSIZE);
  unmap(p, PGSIZE);
  killedload(p + PGSIZE, want[PGSIZE], p);
  check(!readable(p) && !readable(p + 2 * PGSIZE), "a system call can read unmapped memory");
  same(p + PGSIZE, want + PGSIZE, PGSIZE, "a page that is still mapped has changed");
  unmap(p + PGSIZE, PGSIZE);
}

// ---- read-only-write: a store to a read-only mapping kills

static void
readonlywrite(void)
{
  newfile(28, PGSIZE);
  char *p = mapfile1(PGSIZE, PROT_READ, MAP_SHARED);

  if (child() == 0) {
    same(p, want, PGSIZE, "child: mapping differs from the file");
    tell();
    *(volatile char *)p = 'X';
    fail("child: a read-only mapping can be written");
  }
  hear();
  join(-1, "a child that wrote to a read-only mapping was not killed");
  same(p, want, PGSIZE, "a read-only mapping has changed");
  unmap(p, PGSIZE);
  holds(FILE1, want, PGSIZE, "a file that was mapped read-only has changed");
}

// ---- exit: the mappings end with the process or its program, however it ends

static void
exitdirty(void)
{
  newfile(29, 3 * PGSIZE);
  if (child() == 0) {
    char *p = mapfile1(3 * PGSIZE, RDWR, MAP_SHARED);
    p[2 * PGSIZE + 1] = 'e';
    exit(0);
  }
  join(0, "child with a dirty mapping did not end well");
  want[2 * PGSIZE + 1] = 'e';
  holds(FILE1, want, 3 * PGSIZE, "exit did not write a dirty page back");

  if (child() == 0) {
    char *p = mapfile1(3 * PGSIZE, RDWR, MAP_SHARED);
    p[0] = p[PGSIZE] = p[2 * PGSIZE] = 'h';
    unmap(p, PGSIZE);
    exit(0);
  }
  join(0, "child with half a mapping did not end well");
  want[0] = want[PGSIZE] = want[2 * PGSIZE] = 'h';
  holds(FILE1, want, 3 * PGSIZE, "exit after munmap of the head did not write the rest back right");
}

// What was only read, or is private, does not go back to the file.
static void
exitclean(void)
{
  newfile(30, 2 * PGSIZE);
  if (child() == 0) {
    char *p = mapfile1(2 * PGSIZE, RDWR, MAP_SHARED);
    char *q = mapfile1(2 * PGSIZE, RDWR, MAP_PRIVATE);
    q[PGSIZE] = 'q';
    check(p[0] == want[0], "child: mapping differs from the file");
    tell();
    hear();
    exit(0);
  }
  hear();
  int fd = opened(FILE1, O_WRONLY);
  memset(want, 'n', 100);
  check(write(fd, want, 100) == 100, "write");
  close(fd);
  tell();
  join(0, "child with clean mappings did not end well");
  holds(FILE1, want, 2 * PGSIZE, "exit wrote a clean or private page back");
}

// What an exec'd child runs: standard input says what the old program had mapped.
static void
afterexec(void)
{
  char *p;

  check(read(0, &p, sizeof(p)) == sizeof(p), "exec'd child: read");
  check(!readable(p), "exec'd program sees the old one's mapping");
  exit(0);
}

// In a child: map FILE1's pages, store in the first of them, and exec. An exec that fails changes nothing.
static void
execdirty(int pages)
{
  char *argv[] = { self, "-exec", 0 };
  int fds[2];
  char *p = mapfile1(pages * PGSIZE, RDWR, MAP_SHARED);

  p[1] = 'x';
  check(exec("/no such program", argv) < 0, "exec of nothing");
  p[2] = 'y';
  check(pipe(fds) == 0 && write(fds[1], &p, sizeof(p)) == sizeof(p), "pipe");
  close(0);
  dup(fds[0]);
  exec(self, argv);
  fail("exec");
}

static void
exitexec(void)
{
  newfile(31, 2 * PGSIZE);
  if (child() == 0)
    execdirty(2);
  join(0, "child that execs with a dirty mapping did not end well");
  want[1] = 'x';
  want[2] = 'y';
  holds(FILE1, want, 2 * PGSIZE, "exec did not write a dirty page back");
}

// Kill a child that sleeps and has dirty pages; c is what it stores.
static void
killdirty(char c)
{
  int pid = child();

  if (pid == 0) {
    char *p = mapfile1(3 * PGSIZE, RDWR, MAP_SHARED);
    p[2 * PGSIZE] = c;
    tell();
    hear();
  }
  hear();
  check(kill(pid) == 0, "kill");
  join(-1, "a killed child with a dirty mapping did not end so");
}

static void
exitkilled(void)
{
  newfile(32, 3 * PGSIZE);
  killdirty('k');
  want[2 * PGSIZE] = 'k';
  holds(FILE1, want, 3 * PGSIZE, "a killed child's dirty page was not written back");

  if (child() == 0) {
    char *p = mapfile1(3 * PGSIZE, RDWR, MAP_SHARED);
    p[PGSIZE] = 'f';
    tell();
    *(volatile char *)0x30000000;   // neither heap nor mapping
    fail("child: memory that is not there can be read");
  }
  hear();
  join(-1, "a child that faulted with a dirty mapping was not killed");
  want[PGSIZE] = 'f';
  holds(FILE1, want, 3 * PGSIZE, "the dirty page of a child that faulted was not written back");
}

// Have files without a name take all blocks of a disk of the usual size but as many as the first of them had: there is room for
// a few files of BIG pages. Returns how many are open, as fd[0] and so on. They are gone with this process, however it ends.
static int
holdblocks(int fd[])
{
  struct stat st = { .size = 1 };
  int n, blocks = 0;

  for (n = 0; st.size > 0 && blocks < DISK; n++) {
    fd[n] = opened(FILE2, O_CREATE | O_RDWR);
    check(unlink(FILE2) == 0, "unlink");
    while (blocks < DISK && write(fd[n], want, BIG * PGSIZE) == BIG * PGSIZE)
      blocks += BIG * PGSIZE / 1024;
    check(fstat(fd[n], &st) == 0, "fstat");
  }
  close(fd[0]);
  fd[0] = fd[--n];
  return n;
}

// A new process gets the slot of one that ended with mappings, but not the mappings; an unlinked file's blocks come back.
static void
exitfrees(void)
{
  int held[20], n;

  newfile(33, BIG * PGSIZE);
  n = holdblocks(held);
  for (int round = 0; round < 6; round++) {   // would need more blocks than are left
    int fd = open(FILE1, O_CREATE | O_TRUNC | O_RDWR);
    check(fd >= 0, "exits with mappings keep files open");
    check(write(fd, want, BIG * PGSIZE) == BIG * PGSIZE, "the blocks of files that were mapped at exit do not come back");
    char *p = 0;
    if (child() == 0) {
      p = map("mmap", fd, 0, BIG * PGSIZE, RDWR, MAP_SHARED);
      check(p[PGSIZE] == want[PGSIZE], "mapping differs from the file");
      p[0] = 'u';
      check(write(out, &p, sizeof(p)) == sizeof(p), "write");
      hear();
      exit(0);
    }
    check(read(in, &p, sizeof(p)) == sizeof(p), "child did not map the file");
    unlink(FILE1);
    close(fd);
    tell();
    join(0, "child with an unlinked mapping did not end well");
    if (child() == 0)
      exit(readable(p) ? 2 : 0);
    join(0, "a new process has a mapping of one that ended");
  }
  while (n > 0)
    close(held[--n]);
}

// Take all memory there is; returns how many pages that were.
static int
takeall(void)
{
  int n = 0;

  for (int pages = 256; pages > 0; pages /= 16)
    while (sbrk(pages * PGSIZE) != SBRK_ERROR)
      n += pages;
  return n;
}

// Have a process hold all memory but SPARE pages until this program has ended: what is left is taken and counted fast.
// It is a child's child, so that no wait() finds it.
static void
shrink(void)
{
  int end[2];
  char c;

  check(pipe(end) == 0, "pipe");
  if (child() == 0) {
    if (fork() == 0) {
      close(end[1]);
      takeall();
      sbrk(-SPARE * PGSIZE);
      tell();
      close(in);
      close(out);
      exit(read(end[0], &c, 1));   // an end of file, when nobody can write there any more
    }
    exit(0);
  }
  hear();
  join(0, "child did not end well");
  close(end[0]);
}

// How many pages a process can get.
static int
freepages(void)
{
  int n = 0;

  if (child() == 0) {
    n = takeall();
    write(out, &n, sizeof(n));
    exit(0);
  }
  check(read(in, &n, sizeof(n)) == sizeof(n), "child that counts pages did not end well");
  join(0, "child that counts pages did not end well");
  return n;
}

// Three children that end with pages mapped: each in its own way.
static void
threeends(void)
{
  if (child() == 0) {
    char *p = mapfile1(3 * PGSIZE, RDWR, MAP_SHARED), *q = mapfile1(3 * PGSIZE, RDWR, MAP_PRIVATE);
    p[0] = q[0] = q[2 * PGSIZE] = 'x';
    exit(0);
  }
  join(0, "child with mappings did not end well");
  if (child() == 0)
    execdirty(3);
  join(0, "child that execs with mappings did not end well");
  killdirty('k');
}

static void
exittest(void)
{
  exitdirty();
  exitclean();
  exitexec();
  exitkilled();
  exitfrees();

  shrink();
  newfile(34, 3 * PGSIZE);
  threeends();   // what the kernel keeps for later it has now
  int before = freepages();
  for (int round = 0; round < 12; round++)
    threeends();
  check(freepages() > before - 10, "exits with mappings lose pages");
}

// ---- table: many mappings at once, then one too many. They are not touched: no task after mmap is needed.

// In a child, since there may be no munmap yet.
static void
filltable(int fd)
{
  char *p[200];
  int n = 0;

  while (n < 200 && (p[n] = mmap(0, PGSIZE, PROT_READ, MAP_PRIVATE, fd, 0)) != FAILED)
    n++;
  check(n >= 16, "a process can't have 16 mappings");
  check(n <= 128, "mmap does not fail when the table is full");
  for (int i = 0; i < n; i++) {
    check((uint64)p[i] % PGSIZE == 0, "mmap returns an address that is not page-aligned");
    for (int k = 0; k < i; k++)
      check(p[k] != p[i], "two mappings have the same address");
  }
  for (int i = 0; i < MANY; i++) {
    int another = open(FILE1, O_RDONLY);
    check(another >= 0, "mmaps that fail with the table full keep files open");
    refused("mmap does not fail when the table is full", another, 0, PGSIZE, PROT_READ, MAP_PRIVATE);
    close(another);
  }
}

static void
table(void)
{
  newfile(35, PGSIZE);
  int fd = opened(FILE1, O_RDONLY);
  if (child() == 0) {
    filltable(fd);
    exit(0);
  }
  join(0, "child with many mappings did not end well");
  close(fd);
}

// ---- all of them

static struct {
  char *name;
  char *title;
  void (*run)(void);
  int usual;   // run when none is named?
} sections[] = {
  { "basic",           "basic mmap",                        basic,         1 },
  { "private",         "mmap private",                      private,       1 },
  { "read-only",       "mmap read-only",                    readonly,      1 },
  { "read-write",      "mmap read/write",                   readwrite,     1 },
  { "dirty",           "mmap dirty",                        dirty,         1 },
  { "unmapped",        "not-mapped unmap",                  unmapped,      1 },
  { "lazy",            "lazy access",                       lazy,          1 },
  { "two-files",       "mmap two files",                    twofiles,      1 },
  { "fork",            "fork",                              forktest,      1 },
  { "access",          "munmap prevents access",            access,        1 },
  { "read-only-write", "writes to read-only mapped memory", readonlywrite, 1 },
  { "exit",            "exit",                              exittest,      0 },
  { "table",           "vma table",                         table,         0 },
};

#define NSECTION ((int)(sizeof(sections) / sizeof(sections[0])))

// The number of the section of this name, or -1.
static int
find(char *name)
{
  for (int i = 0; i < NSECTION; i++)
    if (strcmp(sections[i].name, name) == 0)
      return i;
  return -1;
}

static void
run(int i)
{
  printf("test %s\n", sections[i].title);
  sections[i].run();
  unlink(FILE1);
  unlink(FILE2);
  printf("test %s: OK\n", sections[i].title);
}

static void
usage(char *name)
{
  printf("mmaptest: no section %s; usage: mmaptest [section ...], with any of:", name);
  for (int i = 0; i < NSECTION; i++)
    printf(" %s", sections[i].name);
  printf("\n");
  exit(1);
}

int
main(int argc, char *argv[])
{
  self = argv[0];
  if (argc == 2 && strcmp(argv[1], "-exec") == 0)
    afterexec();

  for (int i = 1; i < argc; i++)
    if (find(argv[i]) < 0)
      usage(argv[i]);
  for (int i = 1; i < argc; i++)
    run(find(argv[i]));
  for (int i = 0; i < NSECTION && argc == 1; i++)
    if (sections[i].usual)
      run(i);
  printf("mmaptest: all tests succeeded\n");
  exit(0);
}
