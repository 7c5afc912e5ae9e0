// hidden10place.c - task 10: what MAP_FIXED replaces, which neighbours are one mapping, a full table, odd hints, and a long life.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"
#include "hid.h"

#define NVMA  128
#define BASE  ((char *)LOW)
#define AREA  (4 * NVMA * PGSIZE)       // what these tests use from BASE on, and leave free

// A mapping of no file just at addr.
static void
fixedanon(char *addr, uint64 len, int prot)
{
  check(mmap(addr, len, prot, ANON | MAP_FIXED, -1, 0) == addr, "mmap with MAP_FIXED");
}

static void
fixedfile(char *addr, int fd, int page, uint64 len, int prot, int flags)
{
  check(mmap(addr, len, prot, flags | MAP_FIXED, fd, page * PGSIZE) == addr, "mmap of a file with MAP_FIXED");
}

// Page number page of FILE1 is as it should be, whatever the others are.
static void
onfile(int page, char *what)
{
  static char block[PGSIZE];
  int fd = opened(FILE1, O_RDONLY);

  for (int i = 0; i <= page; i++)
    check(read(fd, block, PGSIZE) == PGSIZE, "read");
  same(block, want + page * PGSIZE, PGSIZE, what);
  close(fd);
}

// ---- replace: MAP_FIXED over several mappings, of which the file's pages are dirty

static void
overseveral(void)
{
  newfile(1, 9 * PGSIZE);
  save(FILE2, want, 2 * PGSIZE);
  int fd = opened(FILE1, O_RDWR), fd2 = opened(FILE2, O_RDWR);
  fixedfile(BASE, fd, 0, 4 * PGSIZE, RDWR, MAP_SHARED);
  fixedanon(BASE + 4 * PGSIZE, PGSIZE, RDWR);
  fixedfile(BASE + 6 * PGSIZE, fd, 6, 3 * PGSIZE, RDWR, MAP_SHARED);   // page 5 is a hole
  close(fd);
  for (int i = 0; i < 9; i++)
    if (i != 5)
      store(BASE + i * PGSIZE + i, 'A' + i);
  for (int i = 0; i < 9; i++)
    if (i != 4 && i != 5)
      want[i * PGSIZE + i] = 'A' + i;

  fixedfile(BASE + 2 * PGSIZE, fd2, 0, 5 * PGSIZE, RDWR, MAP_PRIVATE);
  close(fd2);
  same(BASE + 2 * PGSIZE + 1, want + 1, PGSIZE - 1, "MAP_FIXED over several mappings shows something else than its file");
  blank(BASE + 4 * PGSIZE, 3 * PGSIZE, "MAP_FIXED over several mappings is not zero behind the end of its file");
  onfile(2, "what MAP_FIXED replaced was not written back to its place");
  onfile(3, "what MAP_FIXED replaced was not written back to its place");
  onfile(6, "what MAP_FIXED replaced was not written back to its place");
  same(BASE, want, 2 * PGSIZE, "MAP_FIXED changed the pages before it");
  same(BASE + 7 * PGSIZE, want + 7 * PGSIZE, 2 * PGSIZE, "MAP_FIXED changed the pages behind it");
  store(BASE + PGSIZE + 9, want[PGSIZE + 9] = 'x');
  store(BASE + 8 * PGSIZE + 9, want[8 * PGSIZE + 9] = 'x');
  store(BASE + 3 * PGSIZE, 'p');
  unmap(BASE, 9 * PGSIZE);
  holds(FILE1, want, 9 * PGSIZE, "what is left of mappings that MAP_FIXED cut was not written back to its place");
}

// Over itself, at another page of the same file, which the old mapping has stored to.
static void
overitself(void)
{
  newfile(2, 4 * PGSIZE);
  int fd = opened(FILE1, O_RDWR);
  fixedfile(BASE, fd, 0, 4 * PGSIZE, RDWR, MAP_SHARED);
  store(BASE + 2 * PGSIZE, want[2 * PGSIZE] = 'x');
  store(BASE, want[0] = 'y');
  fixedfile(BASE, fd, 2, 2 * PGSIZE, RDWR, MAP_SHARED);
  check(load(BASE) == 'x', "MAP_FIXED over a mapping of the same file does not show what was stored");
  store(BASE + 1, want[2 * PGSIZE + 1] = 'z');
  check(load(BASE + 2 * PGSIZE + 1) == 'z', "one page of a file in two mappings is two pages");
  close(fd);
  check(unlink(FILE1) == 0, "unlink");
  same(BASE + 3 * PGSIZE, want + 3 * PGSIZE, PGSIZE, "a mapping changed when the file lost its name");
  unmap(BASE, 4 * PGSIZE);
}

// Whatever is replaced gives its pages and its file back.
static void
oftenreplaced(void)
{
  newfile(3, 20 * PGSIZE);
  int fd = opened(FILE1, O_RDWR);
  for (int i = 0; i < MANY; i++) {
    fixedfile(BASE, fd, 0, 4 * PGSIZE, RDWR, i % 2 ? MAP_SHARED : MAP_PRIVATE);
    store(BASE + PGSIZE, 'r');
    int again = open(FILE1, O_RDWR);
    check(again >= 0, "mappings that were replaced keep files open");
    fixedfile(BASE + 2 * PGSIZE, again, 5, 3 * PGSIZE, RDWR, MAP_SHARED);
    close(again);
    load(BASE + 3 * PGSIZE);
    fixedanon(BASE + PGSIZE, 2 * PGSIZE, RDWR);
    store(BASE + PGSIZE, 'r');
  }
  unmap(BASE, 5 * PGSIZE);
  close(fd);
  check(unlink(FILE1) == 0, "unlink");
}

static void
replace(void)
{
  overseveral();
  overitself();
  oftenreplaced();
  int pages = freepages(), blocks = freeblocks();
  oftenreplaced();
  check(freepages() > pages - 20, "pages that MAP_FIXED replaced are lost");
  check(freeblocks() > blocks - 10, "the blocks of a file do not come back that MAP_FIXED replaced");
}

// ---- apart: neighbours that differ in just one thing

static void
apart(void)
{
  newfile(4, 6 * PGSIZE);
  save(FILE2, want + PGSIZE, 4 * PGSIZE);
  int fd = opened(FILE1, O_RDWR), fd2 = opened(FILE2, O_RDWR);

  fixedanon(BASE, PGSIZE, PROT_READ);   // prot
  fixedanon(BASE + PGSIZE, PGSIZE, RDWR);
  fixedanon(BASE + 2 * PGSIZE, PGSIZE, PROT_READ);
  check(storekills(BASE) && storekills(BASE + 2 * PGSIZE) && !storekills(BASE + PGSIZE), "neighbours merged that differ in prot");
  unmap(BASE, AREA);

  fixedfile(BASE, fd, 0, PGSIZE, RDWR, MAP_PRIVATE);   // flags
  fixedfile(BASE + PGSIZE, fd, 1, PGSIZE, RDWR, MAP_SHARED);
  fixedfile(BASE + 2 * PGSIZE, fd, 2, PGSIZE, RDWR, MAP_PRIVATE);
  for (int i = 0; i < 3; i++)
    store(BASE + i * PGSIZE, 'f');
  unmap(BASE, AREA);
  want[PGSIZE] = 'f';
  holds(FILE1, want, 6 * PGSIZE, "neighbours merged that differ in flags");

  for (int i = 0; i < 2; i++) {   // the file
    int flags = i ? MAP_SHARED : MAP_PRIVATE;
    fixedfile(BASE, fd, 0, PGSIZE, RDWR, flags);
    fixedfile(BASE + PGSIZE, fd2, 1, PGSIZE, RDWR, flags);
    fixedfile(BASE + 2 * PGSIZE, fd, 2, PGSIZE, RDWR, flags);
    same(BASE, want, PGSIZE, "neighbours merged that differ in the file");
    same(BASE + PGSIZE, want + 2 * PGSIZE, PGSIZE, "neighbours merged that differ in the file");
    same(BASE + 2 * PGSIZE, want + 2 * PGSIZE, PGSIZE, "neighbours merged that differ in the file");
    unmap(BASE, AREA);
  }

  fixedfile(BASE, fd, 0, PGSIZE, PROT_READ, MAP_SHARED);   // the offset
  fixedfile(BASE + PGSIZE, fd, 0, 2 * PGSIZE, PROT_READ, MAP_SHARED);
  fixedfile(BASE + 3 * PGSIZE, fd, 4, PGSIZE, PROT_READ, MAP_SHARED);
  same(BASE + PGSIZE, want, 2 * PGSIZE, "neighbours merged of which one does not go on where the other ends");
  same(BASE + 3 * PGSIZE, want + 4 * PGSIZE, PGSIZE, "neighbours merged of which one does not go on where the other ends");
  unmap(BASE, AREA);

  fixedfile(BASE, fd, 0, PGSIZE, RDWR, MAP_PRIVATE);   // a file, or none
  fixedanon(BASE + PGSIZE, PGSIZE, RDWR);
  fixedfile(BASE + 2 * PGSIZE, fd, 2, PGSIZE, RDWR, MAP_PRIVATE);
  blank(BASE + PGSIZE, PGSIZE, "memory without a file merged with a file's");
  same(BASE + 2 * PGSIZE, want + 2 * PGSIZE, PGSIZE, "a file's mapping merged with memory without a file");
  unmap(BASE, AREA);

  fixedfile(BASE, fd, 0, PGSIZE, PROT_READ, MAP_SHARED);   // a hole between
  fixedfile(BASE + 2 * PGSIZE, fd, 1, PGSIZE, PROT_READ, MAP_SHARED);
  check(!readable(BASE + PGSIZE), "mappings merged over a hole");
  unmap(BASE, AREA);

  check(mmap(BASE, PGSIZE, RDWR, ANONS | MAP_FIXED, -1, 0) == BASE, "mmap");   // two memories that are shared
  check(mmap(BASE + PGSIZE, PGSIZE, RDWR, ANONS | MAP_FIXED, -1, 0) == BASE + PGSIZE, "mmap");
  store(BASE, 'x');
  check(load(BASE + PGSIZE) == 0, "two shared memories are one");
  store(BASE + PGSIZE + 1, 'y');
  check(load(BASE + 1) == 0, "two shared memories are one");
  unmap(BASE, AREA);
  close(fd);
  close(fd2);
}

// ---- merge: many neighbours that are alike are one, in whichever order they come, and with one reference to the file

// The pages [0, n) of BASE, or of the file open at fd, one by one: up, down, or the odd ones last.
static void
onebyone(int n, int order, int fd)
{
  for (int k = 0; k < n; k++) {
    int i = order == 0 ? k : order == 1 ? n - 1 - k : k * 2 < n ? k * 2 : k * 2 - n + (n % 2 == 0);
    char *p = fd < 0 ? mmap(BASE + i * PGSIZE, PGSIZE, RDWR, ANON | MAP_FIXED, -1, 0)
                     : mmap(BASE + i * PGSIZE, PGSIZE, RDWR, MAP_SHARED | MAP_FIXED, fd, i * PGSIZE);
    check(p == BASE + i * PGSIZE, "mappings that go on where another ends, or begins, do not merge");
    store(p, i);
  }
  for (int i = 0; i < n; i++)
    check(load(BASE + i * PGSIZE) == (char)i, "a page of many that merged has something else");
}

static void
merge(void)
{
  for (int order = 0; order < 3; order++) {
    onebyone(order == 2 ? 200 : 250, order, -1);
    check(room(BASE + AREA / 2, AREA / 2) == NVMA - 1, "mappings that merged take more than one slot");
    unmap(BASE, AREA);
  }
  for (int order = 0; order < 3; order++) {
    newfile(5, BIG * PGSIZE);
    int fd = opened(FILE1, O_RDWR);
    for (int round = 0; round < 2; round++) {
      onebyone(BIG, order, fd);
      unmap(BASE + 7 * PGSIZE, (BIG - 8) * PGSIZE);
      unmap(BASE, BIG * PGSIZE);
    }
    onebyone(BIG, order, fd);
    close(fd);
    check(unlink(FILE1) == 0, "unlink");
    unmap(BASE, AREA);
  }
  int blocks = freeblocks();
  for (int order = 0; order < 3; order++) {
    newfile(6, 30 * PGSIZE);
    int fd = opened(FILE1, O_RDWR);
    onebyone(30, order, fd);
    close(fd);
    check(unlink(FILE1) == 0, "unlink");
    check(load(BASE + 29 * PGSIZE) == 29, "a page of a file without a name has something else");
    unmap(BASE, AREA);
  }
  check(freeblocks() > blocks - 20, "the blocks of a file do not come back of which mappings merged");
}

// ---- full: with no slot left, or one too few, a call fails and changes nothing

// n mappings of 3 pages, a hole behind each; their middle pages tell their numbers.
static void
fillslots(int n)
{
  for (int i = 0; i < n; i++) {
    fixedanon(BASE + 4 * i * PGSIZE, 3 * PGSIZE, RDWR);
    store(BASE + (4 * i + 1) * PGSIZE, i + 1);
  }
}

static void
slotswhole(int n, char *what)
{
  for (int i = 0; i < n; i++)
    check(load(BASE + (4 * i + 1) * PGSIZE) == (char)(i + 1) && load(BASE + (4 * i + 2) * PGSIZE) == 0, what);
}

static void
full(void)
{
  newfile(7, 3 * PGSIZE);
  int fd = opened(FILE1, O_RDWR);
  fillslots(NVMA - 1);
  char *at = BASE + 4 * (NVMA - 1) * PGSIZE;
  fixedfile(at, fd, 0, 3 * PGSIZE, RDWR, MAP_SHARED);
  store(at + PGSIZE, want[PGSIZE] = 'd');
  check(mmap(0, PGSIZE, RDWR, ANON, -1, 0) == FAILED, "a 129th mapping is accepted");
  check(mmap(0, PGSIZE, RDWR, ANONS, -1, 0) == FAILED, "a 129th mapping is accepted");
  check(mmap(0, PGSIZE, PROT_READ, MAP_PRIVATE, fd, 0) == FAILED, "a 129th mapping is accepted");
  check(mmap(BASE + 3 * PGSIZE, PGSIZE, RDWR, ANON | MAP_FIXED, -1, 0) == FAILED, "a 129th mapping is accepted that would merge");
  check(mmap(BASE, 3 * PGSIZE, RDWR, ANON | MAP_FIXED, -1, 0) == FAILED, "mmap over one of 128 mappings is accepted");
  check(mmap(at + PGSIZE, PGSIZE, RDWR, ANON | MAP_FIXED, -1, 0) == FAILED, "mmap into one of 128 mappings is accepted");
  slotswhole(NVMA - 1, "an mmap that failed with 128 mappings has changed one");
  check(load(at + PGSIZE) == 'd' && load(at) == want[0], "an mmap that failed with 128 mappings has changed one of a file");
  check(munmap(at + PGSIZE, PGSIZE) == -1 && load(at + PGSIZE) == 'd', "munmap of the middle of one of 128 mappings is accepted, or has changed it");
  unmap(at, PGSIZE);                    // a head takes no slot
  unmap(BASE, 3 * PGSIZE);
  check(mmap(BASE + 5 * PGSIZE, PGSIZE, PROT_READ, ANON | MAP_FIXED, -1, 0) == FAILED && load(BASE + 5 * PGSIZE) == 2,
        "mmap into the middle of one of 127 mappings is accepted, or has changed it");
  check(mmap(at + 2 * PGSIZE, PGSIZE, RDWR, ANON | MAP_FIXED, -1, 0) == at + 2 * PGSIZE, "MAP_FIXED over a tail, with a slot free, fails");
  check(load(at + PGSIZE) == 'd', "MAP_FIXED over a tail changed the rest");
  check(munmap(BASE + 5 * PGSIZE, PGSIZE) == -1 && load(BASE + 5 * PGSIZE) == 2, "munmap of the middle of one of 128 mappings is accepted, or has changed it");
  unmap(BASE, AREA);
  holds(FILE1, want, 3 * PGSIZE, "a page was not written back that an mmap did not replace");
  close(fd);
}

// All that shared memory can be had is had: MAP_FIXED over a page fails, or works, but not half.
static void
nomore(void)
{
  int n = 0;

  fixedanon(BASE, PGSIZE, RDWR);
  store(BASE, 'k');
  while (n < NVMA - 2 && mmap(BASE + (2 * n + 2) * PGSIZE, PGSIZE, RDWR, ANONS | MAP_FIXED, -1, 0) != FAILED)
    n++;
  int done = mmap(BASE, PGSIZE, RDWR, ANONS | MAP_FIXED, -1, 0) != FAILED;
  unmap(BASE + PGSIZE, AREA - PGSIZE);   // a system call may need some of what that took
  check(readable(BASE) && load(BASE) == (done ? 0 : 'k'), "a MAP_FIXED that failed has unmapped, or one that did not has replaced nothing");
  unmap(BASE, PGSIZE);
}

static void
fulltable(void)
{
  full();
  nomore();
}

// ---- hints: a hint that can't be taken is none, whatever it is

static void
hint(uint64 at, uint64 len, char *wanted, char *what)
{
  char *p = mmap((void *)at, len, RDWR, ANON, -1, 0);

  check(p == wanted, what);
  store(p, 'h');
  unmap(p, len);
}

static void
hints(void)
{
  hint(0x30000000, PGSIZE, BASE, "a hint between heap and mappings is not taken for none");
  hint(LOW - PGSIZE, PGSIZE, BASE, "a hint below the mappings is not taken for none");
  hint(LOW - PGSIZE, 2 * PGSIZE, BASE, "a hint below the mappings is not taken for none");
  hint(LOW - 1, PGSIZE, BASE, "a hint just below the mappings is not rounded up");
  hint(LOW + 1, PGSIZE, BASE + PGSIZE, "a hint inside a page is not rounded up");
  hint(HIGH - PGSIZE, PGSIZE, (char *)HIGH - PGSIZE, "a hint for the last page is not taken");
  hint(HIGH - PGSIZE, 1, (char *)HIGH - PGSIZE, "a hint for the last page is not taken");
  hint(HIGH - PGSIZE, PGSIZE + 1, BASE, "a hint is taken that leads out of the range of mappings");
  hint(HIGH - PGSIZE + 1, 1, BASE, "a hint inside the last page is not taken for none");
  hint(HIGH, PGSIZE, BASE, "a hint behind the range of mappings is not taken for none");
  hint(MAXVA, PGSIZE, BASE, "a hint of MAXVA is not taken for none");
  hint(-1UL, PGSIZE, BASE, "a hint of 2^64 - 1 is not taken for none");
  hint(-(uint64)PGSIZE, 2 * PGSIZE, BASE, "a hint of 2^64 - 4096 is not taken for none");
  hint(1UL << 63, PGSIZE, BASE, "a hint of 2^63 is not taken for none");
  hint(LOW, HIGH - LOW, BASE, "all of the range can't be mapped");
  check(mmap(BASE + PGSIZE, HIGH - LOW, RDWR, ANON, -1, 0) != BASE + PGSIZE, "a hint is taken that leads out of the range of mappings");
  unmap(BASE, HIGH - LOW);
  check(mmap((void *)(HIGH - PGSIZE), -1UL - PGSIZE, RDWR, ANON | MAP_FIXED, -1, 0) == FAILED, "MAP_FIXED with a length of nearly 2^64 is accepted");
  check(mmap((void *)-PGSIZE, PGSIZE, RDWR, ANON | MAP_FIXED, -1, 0) == FAILED, "MAP_FIXED at 2^64 - 4096 is accepted");
  check(mmap((void *)(LOW - PGSIZE), 2 * PGSIZE, RDWR, ANON | MAP_FIXED, -1, 0) == FAILED, "MAP_FIXED that begins below the mappings is accepted");

  fixedanon(BASE + 10 * PGSIZE, 4 * PGSIZE, RDWR);
  store(BASE + 11 * PGSIZE, 'o');
  hint(LOW + 9 * PGSIZE, 2 * PGSIZE, BASE, "a hint is taken of which the last page is not free");
  hint(LOW + 13 * PGSIZE, 2 * PGSIZE, BASE, "a hint is taken of which the first page is not free");
  hint(LOW + 9 * PGSIZE, 6 * PGSIZE, BASE, "a hint around a mapping is not taken for none");
  hint(LOW + 8 * PGSIZE, 2 * PGSIZE, BASE + 8 * PGSIZE, "a hint just before a mapping is not taken");
  hint(LOW + 14 * PGSIZE, 2 * PGSIZE, BASE + 14 * PGSIZE, "a hint just behind a mapping is not taken");
  check(load(BASE + 11 * PGSIZE) == 'o', "hints changed a mapping");
  newfile(8, PGSIZE);
  char *p = mmap(BASE + 20 * PGSIZE, PGSIZE, PROT_READ, MAP_PRIVATE, 99, 0);
  check(p == FAILED, "a hint makes a bad descriptor good");
  unmap(BASE, AREA);
}

// ---- life: thousands of calls, each as a model has it; what pages hold is told by where they were mapped, and when

#define PAGES 64        // of the model
#define CALLS 1500

static struct { uchar mapped, stamp; } model[PAGES];

static uint
chance(uint n)
{
  static uint seed = 12345;

  seed = seed * 1103515245 + 12345;
  return (seed >> 16) % n;
}

static int
modelfree(int at, int n)
{
  for (int i = at; i < at + n; i++)
    if (i >= PAGES || model[i].mapped)
      return 0;
  return 1;
}

// The first page of n that are free; PAGES if there are none. What lies behind the model is free too.
static int
modelplace(int n)
{
  for (int at = 0; at < PAGES; at++)
    if (modelfree(at, n))
      return at;
  return PAGES;
}

static void
mapsome(int stamp)
{
  int n = 1 + chance(6), at = chance(PAGES - n), how = chance(3);
  int wanted = how == 0 || (how == 1 && !modelfree(at, n)) ? modelplace(n) : at;

  if (wanted == PAGES)
    return;   // it would be put behind, or across the end of, what the model knows
  char *p = mmap(how ? BASE + at * PGSIZE : 0, n * PGSIZE, chance(4) ? RDWR : RDWR | PROT_EXEC, ANON | (how == 2 ? MAP_FIXED : 0), -1, 0);
  check(p == BASE + wanted * PGSIZE, "in a long life, a mapping is not put where it has to be");
  for (int i = wanted; i < wanted + n; i++) {
    model[i].mapped = 1;
    model[i].stamp = 0;
    check(load(BASE + i * PGSIZE) == 0, "in a long life, a new mapping has an old one's content");
    if (chance(2))
      store(BASE + i * PGSIZE, model[i].stamp = stamp);
  }
}

static void
life(void)
{
  memset(model, 0, sizeof(model));
  for (int call = 0; call < CALLS; call++) {
    if (chance(5) < 3) {
      mapsome(1 + call % 250);
    } else {
      int n = 1 + chance(8), at = chance(PAGES - n);
      unmap(BASE + at * PGSIZE, n * PGSIZE);
      for (int i = at; i < at + n; i++)
        model[i].mapped = 0;
    }
    int i = chance(PAGES);
    check(readable(BASE + i * PGSIZE) == model[i].mapped, "in a long life, a page is there that was unmapped, or is lost");
    for (i = 0; i < PAGES; i++)
      check(!model[i].mapped || (uchar)load(BASE + i * PGSIZE) == model[i].stamp, "in a long life, a page has lost what it held");
  }
  unmap(BASE, AREA);
}

// ---- heap: it and the mappings stop where the other begins

static void
heap(void)
{
  char *end = sbrk(0);

  check(mmap(end + (16 << 20), PGSIZE, RDWR, ANON | MAP_FIXED, -1, 0) == FAILED, "MAP_FIXED between heap and mappings is accepted");
  fixedanon(BASE + PGSIZE, PGSIZE, RDWR);
  store(BASE + PGSIZE, 'm');
  check(sbrklazy(BASE + PGSIZE - end + 1) == SBRK_ERROR, "the heap grows into a mapping by one byte");
  check(sbrklazy(BASE + PGSIZE - end) == end, "the heap does not grow as far as the first mapping");
  store(BASE + 10, 'h');
  check(mmap(BASE, PGSIZE, RDWR, ANON | MAP_FIXED, -1, 0) == FAILED && load(BASE + 10) == 'h', "MAP_FIXED over the heap is accepted");
  check(mmap(BASE, PGSIZE, RDWR, ANON, -1, 0) == BASE + 2 * PGSIZE, "a hint in the heap is not taken for none");
  munmap(BASE, PGSIZE);   // which may return what it likes
  check(load(BASE + 10) == 'h' && load(BASE + PGSIZE) == 'm', "heap or mapping have changed");
  check(sbrk(-(BASE + PGSIZE - end)) == BASE + PGSIZE && load(BASE + PGSIZE) == 'm', "a heap that shrinks takes a mapping along");
  check(mmap(0, PGSIZE, RDWR, ANON, -1, 0) == BASE && load(BASE + 10) == 0, "what the heap gave back is not used for a mapping, or not zero");
  unmap(BASE, AREA);
  check(sbrk(0) == end, "munmap changed the heap");
}

static struct section all[] = {
  { "fixed-replaces", "what MAP_FIXED replaces",      replace },
  { "merge-apart",    "neighbours that differ",       apart },
  { "merge-alike",    "neighbours that are alike",    merge },
  { "full-table",     "a full table",                 fulltable },
  { "odd-hints",      "odd hints",                    hints },
  { "long-life",      "a long life",                  life },
  { "heap-beside",    "heap beside mappings",         heap },
};

int
main(int argc, char *argv[])
{
  shrink();
  exit(sections(argc, argv, all, sizeof(all) / sizeof(all[0])));
}
