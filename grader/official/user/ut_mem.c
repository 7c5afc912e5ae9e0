// ut_mem.c - tests of usertests: memory that grows and shrinks, at once or when it is touched.
#include "user/ut.h"

#define MB (1 << 20)

static void
touch(long a)
{
  *(volatile char *)a += 1;
}

static char *
grow(int n)
{
  char *old = sbrk(n);
  expect(old != SBRK_ERROR, "sbrk(%d) failed", n);
  return old;
}

static char *
growlazy(int n)
{
  char *old = sbrklazy(n);
  expect(old != SBRK_ERROR, "sbrklazy(%d) failed", n);
  return old;
}

static void
zeroed(const char *at, int n, const char *what)
{
  for (int i = 0; i < n; i++)
    expect(at[i] == 0, "%s: byte %d: expected 0, got 0x%x", what, i, (uchar)at[i]);
}

static void
sbrk_steps(void)
{
  char *start = sbrk(0);
  for (int n = 1; n < 3 * PGSIZE; n += 397) {
    char *old = grow(n);
    zeroed(old, n, "new memory");
    memset(old, 'z', n);
    expect(sbrk(0) == old + n, "sbrk(%d) at %p: the end is %p", n, old, sbrk(0));
  }
  expect(sbrk(start - sbrk(0)) != SBRK_ERROR, "sbrk back to the start failed");
  expect(sbrk(0) == start, "sbrk back to %p: the end is %p", start, sbrk(0));
  char *page = lastpage();
  zeroed(page, PGSIZE, "memory that was let go and taken again");
  paint(page, PGSIZE, 1, 0);
  grow(-100);
  grow(100);
  painted(page, PGSIZE - 100, 1, 0, "page of which a part was let go");
}

// Sizes that can't be had change nothing.
static void
sbrk_limits(void)
{
  char *page = lastpage();
  char *top = sbrk(0);
  paint(page, PGSIZE, 1, 0);
  // To grow by too much fails; to shrink by more than there is changes nothing.
  static const int toomuch[] = {0x7fffffff, 1 << 30, 200 << 20, -0x7fffffff, -0x7fffffff - 1};
  for (int i = 0; i < COUNT(toomuch); i++) {
    char *want = toomuch[i] > 0 ? SBRK_ERROR : top;
    char *got = sbrk(toomuch[i]);
    expect(got == want, "sbrk(%d) returned %p, expected %p", toomuch[i], got, want);
    expect(sbrk(0) == top, "the end moved from %p to %p after a failed sbrk", top, sbrk(0));
  }
  painted(page, PGSIZE, 1, 0, "heap");
}

// Let memory go while it is used: text, stack and all.
static void
shrinktonothing(long unused)
{
  sbrk(-(long)sbrk(0));
}

static void
sbrk_to_nothing(void)
{
  dies(shrinktonothing, 0, "sbrk down to");
  char *top = sbrk(0);
  grow(10 * PGSIZE);
  grow(-10 * PGSIZE);
  dies(touch, PGROUNDUP((long)top), "access to memory that was let go, at");
}

// A hundred megabytes, each page used; then let go in steps.
static void
sbrk_100mb(void)
{
  enum { SIZE = 100 * MB };
  char *heap = grow(SIZE);
  for (int at = 0; at < SIZE; at += PGSIZE)
    *(int *)(heap + at) = at;
  for (int at = 0; at < SIZE; at += PGSIZE)
    equal(*(int *)(heap + at), at, "word of a page");
  for (int left = SIZE / 2; left > MB; left /= 2) {
    grow(left - (sbrk(0) - heap));
    equal(*(int *)(heap + left - PGSIZE), left - PGSIZE, "word of the last page");
  }
}

// Pages of lazy memory appear one by one, in any order, filled with zeroes.
static void
lazy_any_order(void)
{
  enum { PAGES = 700 };
  char *heap = (char *)PGROUNDUP((uint64)growlazy((PAGES + 1) * PGSIZE));
  for (int i = 0, page = 0; i < PAGES; i++, page = (page + 333) % PAGES) {
    char *at = heap + page * PGSIZE;
    equal(*(int *)(at + page % 1000 * 4), 0, "word of a new page");
    *(int *)(at + 8) = page + 1;
    equal(at[PGSIZE - 1], 0, "last byte of a new page");
  }
  for (int page = 0; page < PAGES; page++)
    equal(*(int *)(heap + page * PGSIZE + 8), page + 1, "word of a page");
}

// Far more lazy memory than there is, of which little is touched.
static void
lazy_sparse(void)
{
  enum { STEP = 3 * MB / 2 };
  char *heap = growlazy(900 * MB);
  for (long at = 0; at < 900L * MB; at += STEP)
    *(long *)(heap + at) = at + 1;
  int pid = child();
  if (pid == 0) {
    for (long at = 0; at < 900L * MB; at += STEP)
      expect(*(long *)(heap + at) == at + 1, "child's word at %ld", at);
    exit(0);
  }
  ends(pid, 0);
  growlazy(-899 * MB);
  expect(*(long *)heap == 1, "first word, after most was let go");
}

// With nothing mapped, the heap may be larger than what lies below the mappings.
static void
lazy_gigabyte(void)
{
  char *heap = growlazy(1 << 30);
  char *last = heap + (1L << 30) - 1;
  equal(*last, 0, "last byte of a gigabyte");
  *last = 5;
  equal(*(heap + (1 << 29)), 0, "byte in the middle");
  equal(*last, 5, "last byte of a gigabyte");
}

// A child has what was touched, zeroes elsewhere, and its own memory from then on.
static void
lazy_fork(void)
{
  enum { PAGES = 40 };
  char *heap = (char *)PGROUNDUP((uint64)growlazy((PAGES + 1) * PGSIZE));
  for (int i = 0; i < PAGES; i += 3)
    paint(heap + i * PGSIZE, PGSIZE, i, 0);
  int pid = child();
  if (pid == 0) {
    for (int i = 0; i < PAGES; i++) {
      if (i % 3 == 0)
        painted(heap + i * PGSIZE, PGSIZE, i, 0, "child's copy of a page");
      else
        zeroed(heap + i * PGSIZE, PGSIZE, "child's page that was never touched");
      memset(heap + i * PGSIZE, 'c', PGSIZE);
    }
    exit(0);
  }
  ends(pid, 0);
  for (int i = 0; i < PAGES; i++) {
    if (i % 3 == 0)
      painted(heap + i * PGSIZE, PGSIZE, i, 0, "parent's page");
    else
      zeroed(heap + i * PGSIZE, PGSIZE, "parent's page that was never touched");
  }
}

// Lazy memory that is let go, untouched or not, and taken again.
static void
lazy_shrink(void)
{
  char *heap = (char *)PGROUNDUP((uint64)growlazy(21 * PGSIZE));
  for (int i = 0; i < 20; i += 2)
    paint(heap + i * PGSIZE, PGSIZE, i, 0);
  char *end = sbrk(0);
  expect(sbrk(heap + 5 * PGSIZE - end) == end, "sbrk did not give the old end");
  dies(touch, (long)heap + 5 * PGSIZE, "access to memory that was let go, at");
  dies(touch, (long)heap + 12 * PGSIZE, "access to memory that was let go, at");
  painted(heap + 4 * PGSIZE, PGSIZE, 4, 0, "page below the end");
  zeroed(heap + 3 * PGSIZE, PGSIZE, "page that was never touched");

  growlazy(15 * PGSIZE);
  zeroed(heap + 5 * PGSIZE, 15 * PGSIZE, "memory that was let go and taken again");
  grow(-10 * PGSIZE);
  grow(10 * PGSIZE);
  zeroed(heap + 10 * PGSIZE, 10 * PGSIZE, "memory taken again at once");
}

// Past the end of lazy memory there is none.
static void
lazy_beyond(void)
{
  long end = PGROUNDUP((long)growlazy(10 * PGSIZE)) + 10 * PGSIZE;
  grow(end - (long)sbrk(0));
  dies(touch, end, "access past the end, at");
  dies(touch, end + 1000 * PGSIZE, "access past the end, at");
  touch(end - 1);
  dies(touch, end, "access past the end, at");
  equal(read(mustopen("/README", O_RDONLY), (void *)end, 1), -1, "read to past the end");
}

// Lazy memory up to the highest address. Most of it is never touched, so fork and exit are quick.
static void
lazy_limits(void)
{
  char *top = sbrk(0);
  for (int i = 0; i < 600 && sbrklazy(0x7ffff000) != SBRK_ERROR; i++)
    ;
  expect(sbrklazy(0x7ffff000) == SBRK_ERROR, "sbrklazy went on past the highest address");
  uint64 end = (uint64)sbrk(0);
  expect(end >= (uint64)top && end <= TRAPFRAME, "the end of memory is %p", (void *)end);
  touch((long)end - PGSIZE);
  dies(touch, PGROUNDUP(end), "access past the end, at");
}

// System calls read and write lazy memory that was never touched.
static void
lazy_file_data(void)
{
  char *heap = (char *)PGROUNDUP((uint64)growlazy(40 * PGSIZE));
  struct stat *st = (struct stat *)(heap + 7 * PGSIZE - 8);
  save("f", 1, 12000);

  int fd = mustopen("f", O_RDWR);
  equal(read(fd, heap + 4 * PGSIZE - 100, 5000), 5000, "read of a file to untouched memory");
  painted(heap + 4 * PGSIZE - 100, 5000, 1, 0, "file");
  equal(fstat(fd, st), 0, "fstat to untouched memory");
  equal(st->size, 12000, "size that fstat tells");
  mustwrite(fd, heap + 10 * PGSIZE - 100, 4000);
  mustclose(fd);

  fd = mustopen("f", O_RDONLY);
  equal(readfull(fd, heap + 15 * PGSIZE, 40000), 12000, "one large read to untouched memory");
  painted(heap + 15 * PGSIZE, 5000, 1, 0, "file, before what was overwritten");
  zeroed(heap + 15 * PGSIZE + 5000, 4000, "file, where untouched memory was written");
  painted(heap + 15 * PGSIZE + 9000, 3000, 1, 9000, "file, after what was overwritten");
}

static void
lazy_results(void)
{
  char *heap = (char *)PGROUNDUP((uint64)growlazy(20 * PGSIZE));
  int *end = (int *)(heap + PGSIZE);
  int *status = (int *)(heap + 3 * PGSIZE);
  equal(pipe(end), 0, "pipe to untouched memory");
  mustwrite(end[1], heap + 5 * PGSIZE - 20, 50);
  equal(read(end[0], heap + 7 * PGSIZE - 20, 50), 50, "read of a pipe to untouched memory");
  zeroed(heap + 7 * PGSIZE - 20, 50, "bytes through the pipe");

  int pid = child();
  if (pid == 0)
    exit(77);
  equal(wait(status), pid, "wait to untouched memory");
  equal(*status, 77, "exit status");

  char **argv = (char **)(heap + 10 * PGSIZE);
  argv[0] = heap + 12 * PGSIZE;
  equal(exec("missing", argv), -1, "exec with an untouched argument");
  equal(exec("missing", (char **)(heap + 14 * PGSIZE)), -1, "exec with an untouched table");
}

// Children copy and use a large heap at the same time.
static void
useheap(long who)
{
  char *heap = sbrk(0) - 600 * PGSIZE;
  for (int i = 0; i < 600; i++) {
    equal(heap[i * PGSIZE + i], i % 100, "byte of the parent's");
    heap[i * PGSIZE + i] = who;
  }
  for (int i = 0; i < 600; i++)
    equal(heap[i * PGSIZE + i], who, "byte of one's own");
}

static void
heap_together(void)
{
  char *heap = lastpage();
  grow(600 * PGSIZE);
  heap += PGSIZE;
  for (int i = 0; i < 600; i++)
    heap[i * PGSIZE + i] = i % 100;
  for (int round = 0; round < 5; round++)
    crowd(6, useheap);
  for (int i = 0; i < 600; i++)
    equal(heap[i * PGSIZE + i], i % 100, "byte of the parent's");
}

// Pieces of many sizes, taken and freed in disorder, don't overlap.
static void
malloc_pieces(void)
{
  enum { PIECES = 100 };
  static struct { char *at; int n; } piece[PIECES];
  uint state = 1;
  for (int i = 0; i < 3000; i++) {
    int k = rnd(&state) % PIECES;
    if (piece[k].at) {
      painted(piece[k].at, piece[k].n, k, 0, "piece of memory");
      free(piece[k].at);
    }
    piece[k].n = rnd(&state) % (i % 50 == 0 ? 20000 : 200);
    piece[k].at = malloc(piece[k].n);
    expect(piece[k].at != 0, "malloc(%d) failed", piece[k].n);
    paint(piece[k].at, piece[k].n, k, 0);
  }
  for (int k = 0; k < PIECES; k++)
    painted(piece[k].at, piece[k].at ? piece[k].n : 0, k, 0, "piece of memory");
}

struct test mem_tests[] = {
  QUICK(sbrk_steps),
  QUICK(sbrk_limits),
  QUICK(sbrk_to_nothing),
  QUICK(sbrk_100mb),
  QUICK(lazy_any_order),
  QUICK(lazy_sparse),
  QUICK(lazy_gigabyte),
  QUICK(lazy_fork),
  QUICK(lazy_shrink),
  QUICK(lazy_beyond),
  QUICK(lazy_limits),
  QUICK(lazy_file_data),
  QUICK(lazy_results),
  QUICK(heap_together),
  QUICK(malloc_pieces),
  END_OF_TESTS
};
