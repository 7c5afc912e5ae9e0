// hidden11prot.c - task 11: mprotect takes effect at once, for loads, stores, jumps and system calls, all of it or nothing.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"
#include "hid.h"

#define NVMA  128
#define BASE  ((char *)LOW)
#define AREA  (4 * NVMA * PGSIZE)       // what these tests use from BASE on, and leave free

static void
protect(char *p, uint64 len, int prot)
{
  check(mprotect(p, len, prot) == 0, "mprotect");
}

// ---- now: the process that called mprotect is the one that finds out. A fork between would take rights from its pages.

static void
storethenreadonly(char *p)
{
  store(p, 'x');
  protect(p, PGSIZE, PROT_READ);
  check(load(p) == 'x', "a page has lost what it held by mprotect");
  store(p, 'y');
}

static void
loadthenreadonly(char *p)
{
  load(p);
  protect(p, PGSIZE, PROT_READ);
  store(p, 'y');
}

static void
readonlyuntouched(char *p)
{
  protect(p, PGSIZE, PROT_READ);
  store(p, 'y');
}

static void
storethennone(char *p)
{
  store(p, 'x');
  protect(p, PGSIZE, PROT_NONE);
  load(p);
}

static void
noneuntouched(char *p)
{
  protect(p, PGSIZE, PROT_NONE);
  load(p);
}

static void
writableandback(char *p)
{
  protect(p, PGSIZE, PROT_READ);
  protect(p, PGSIZE, RDWR);
  store(p, 'x');
  protect(p, PGSIZE, PROT_READ);
  store(p, 'y');
}

// What may be done again works, each time.
static void
often(char *p)
{
  for (int i = 0; i < 100; i++) {
    protect(p, PGSIZE, RDWR);
    store(p, i);
    protect(p, PGSIZE, i % 3 ? PROT_READ : PROT_NONE);
    if (i % 3)
      check(load(p) == i, "a page has lost what it held by mprotect");
  }
}

// A page of each kind of mapping, in a new process each time.
static void
eachkind(void (*f)(char *), int fatal, char *what)
{
  int fd = opened(FILE1, O_RDWR);
  char *p[] = {
    mapanon(PGSIZE, RDWR, ANON), mapanon(PGSIZE, RDWR, ANONS),
    map("mmap", fd, 0, PGSIZE, RDWR, MAP_PRIVATE), map("mmap", fd, 0, PGSIZE, RDWR, MAP_SHARED),
  };

  close(fd);
  for (int i = 0; i < 4; i++)
    check(kills(f, p[i]) == fatal, what);
  for (int i = 0; i < 4; i++)
    unmap(p[i], PGSIZE);
}

// Several processes at one time, on whatever harts there are.
static void
atonce(void)
{
  char *p = mapanon(8 * PGSIZE, RDWR, ANON);
  int status;

  for (int i = 0; i < 8; i++)
    if (fork() == 0) {
      often(p + i * PGSIZE);
      protect(p + i * PGSIZE, PGSIZE, RDWR);
      storethenreadonly(p + i * PGSIZE);
      exit(0);
    }
  for (int i = 0; i < 8; i++)
    check(wait(&status) > 0 && status == -1, "one of several processes can store to a page that became read-only");
  unmap(p, 8 * PGSIZE);
}

// System calls have the rights that the process has.
static void
calls(void)
{
  char *p = mapanon(2 * PGSIZE, RDWR, ANON);
  int fds[2];

  check(pipe(fds) == 0 && write(fds[1], "abcdef", 6) == 6, "pipe");
  store(p, 'x');
  store(p + PGSIZE, 'y');
  protect(p, PGSIZE, PROT_READ);
  check(read(fds[0], p, 1) == -1 && load(p) == 'x', "read() stores to a page that became read-only");
  check(write(fds[1], p, 1) == 1, "write() from a page that became read-only");
  protect(p + PGSIZE, PGSIZE, PROT_NONE);
  check(read(fds[0], p + PGSIZE, 1) == -1 && write(fds[1], p + PGSIZE, 1) == -1, "a system call uses a page with PROT_NONE");
  check(stat(".", (struct stat *)p) == -1 && load(p) == 'x', "stat() stores to a page that became read-only");
  protect(p, 2 * PGSIZE, RDWR);
  check(load(p) == 'x' && load(p + PGSIZE) == 'y', "a page has lost what it held by mprotect");
  close(fds[0]);
  close(fds[1]);
  unmap(p, 2 * PGSIZE);
}

static void
now(void)
{
  newfile(1, PGSIZE);
  eachkind(storethenreadonly, 1, "a page that was stored to, and became read-only, can be stored to");
  eachkind(loadthenreadonly, 1, "a page that was loaded from, and became read-only, can be stored to");
  eachkind(readonlyuntouched, 1, "a page never touched that became read-only can be stored to");
  eachkind(storethennone, 1, "a page that was stored to, and became PROT_NONE, can be read");
  eachkind(noneuntouched, 1, "a page never touched that became PROT_NONE can be read");
  eachkind(writableandback, 1, "a page can be stored to that was writable in between");
  eachkind(often, 0, "a store kills though mprotect allowed it");
  atonce();
  calls();
}

// ---- execute

static uint code[] = { 0x02a00513, 0x00008067 };   // li a0, 42; ret

static int
jump(char *p)
{
  asm volatile("fence.i");
  return ((int (*)(void))p)();
}

static void
jumpto(char *p)
{
  jump(p);
}

static void
jumpthennot(char *p)
{
  check(jump(p) == 42, "code in a mapping");
  protect(p, PGSIZE, PROT_READ);
  jump(p);
}

static void
execute(void)
{
  char *p = mapanon(2 * PGSIZE, RDWR, ANON);

  memcpy(p, code, sizeof(code));
  memcpy(p + PGSIZE, code, sizeof(code));
  check(kills(jumpto, p), "a page without PROT_EXEC can be executed");
  protect(p, 2 * PGSIZE, PROT_READ | PROT_EXEC);
  check(jump(p) == 42 && jump(p + PGSIZE) == 42, "code in a page that became executable");
  check(storekills(p), "a page that became executable, and not writable, can be stored to");
  check(kills(jumpthennot, p), "a page can be executed that may not be any more");
  protect(p, PGSIZE, PROT_NONE);
  check(kills(jumpto, p) && jump(p + PGSIZE) == 42, "a page with PROT_NONE can be executed, or its neighbour can't");
  protect(p, PGSIZE, RDWR | PROT_EXEC);
  check(jump(p) == 42, "code in a page that became executable again");
  unmap(p, 2 * PGSIZE);
}

// ---- nothing: a call that fails has changed nothing, wherever in the range the reason lies

// All of the pages can be stored to, in this process and in a child.
static void
writable(char *p, int n, char *what)
{
  for (int i = 0; i < n; i++) {
    check(!storekills(p + i * PGSIZE), what);
    store(p + i * PGSIZE, 'w');
  }
}

static void
holes(void)
{
  for (int hole = 0; hole < 5; hole++) {
    char *p = mapanon(6 * PGSIZE, RDWR, ANON);
    for (int i = 0; i < 6; i += 2)
      store(p + i * PGSIZE, 'h');
    unmap(p + hole * PGSIZE, PGSIZE);
    check(mprotect(p, 5 * PGSIZE, PROT_READ) == -1, "mprotect of a range with a hole is accepted");
    check(mprotect(p + hole * PGSIZE, 2 * PGSIZE, PROT_NONE) == -1, "mprotect of a range that begins with a hole is accepted");
    writable(p, hole, "mprotect failed for a hole, and changed what lies before");
    writable(p + (hole + 1) * PGSIZE, 5 - hole, "mprotect failed for a hole, and changed what lies behind");
    unmap(p, 6 * PGSIZE);
  }
}

// The last of three mappings is of a file that was not opened for writing.
static void
readonlyfile(void)
{
  newfile(2, 2 * PGSIZE);
  char *p = mapanon(3 * PGSIZE, RDWR, ANON);
  store(p, 'r');
  protect(p + PGSIZE, PGSIZE, PROT_READ);
  int fd = opened(FILE1, O_RDONLY), both = opened(FILE1, O_RDWR);
  check(mmap(p + 2 * PGSIZE, PGSIZE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == p + 2 * PGSIZE, "mmap");
  check(mmap(p + 3 * PGSIZE, PGSIZE, PROT_READ, MAP_SHARED | MAP_FIXED, both, PGSIZE) == p + 3 * PGSIZE, "mmap");
  close(fd);
  close(both);
  load(p + 2 * PGSIZE);
  check(mprotect(p, 3 * PGSIZE, RDWR) == -1, "a shared mapping of a file open for reading may be written by mprotect");
  check(mprotect(p + 2 * PGSIZE, 2 * PGSIZE, RDWR) == -1, "a shared mapping of a file open for reading may be written by mprotect");
  check(storekills(p + PGSIZE) && storekills(p + 2 * PGSIZE) && storekills(p + 3 * PGSIZE), "mprotect failed for a file, and changed what it may not");
  check(mprotect(p, 3 * PGSIZE, PROT_READ) == 0 && storekills(p), "mprotect of a file open for reading, without PROT_WRITE");
  check(mprotect(p + 3 * PGSIZE, PGSIZE, RDWR) == 0, "the neighbour of a file open for reading, which another open may write,");
  store(p + 3 * PGSIZE, want[PGSIZE] = 'n');
  unmap(p, 4 * PGSIZE);
  holds(FILE1, want, 2 * PGSIZE, "a store after mprotect has not reached the file");
}

static void
odd(void)
{
  char *p = mapanon(3 * PGSIZE, RDWR, ANON), *heap = sbrk(PGSIZE);

  store(p, 'o');
  check(mprotect(p, PGSIZE, 8) == -1 && mprotect(p, PGSIZE, -1) == -1, "mprotect accepts an unknown prot");
  check(mprotect(p + 8, PGSIZE, PROT_READ) == -1, "mprotect accepts an address inside a page");
  check(mprotect(p, -1UL, PROT_READ) == -1 && mprotect(p + PGSIZE, -(uint64)PGSIZE, PROT_READ) == -1, "mprotect accepts a length of nearly 2^64");
  check(mprotect(p, 1UL << 40, PROT_READ) == -1, "mprotect accepts a length of 2^40");
  check(mprotect(p, (1UL << 32) + PGSIZE, PROT_READ) == -1, "mprotect accepts a length of 4 GB and a page");
  check(mprotect((char *)PGROUNDUP((uint64)heap) - PGSIZE, PGSIZE, PROT_READ) == -1, "mprotect accepts the heap");
  check(mprotect((char *)PGROUNDDOWN((uint64)&p), PGSIZE, PROT_NONE) == -1, "mprotect accepts the stack");
  check(mprotect((char *)MAXVA, PGSIZE, PROT_READ) == -1 && mprotect((char *)MAXVA - PGSIZE, PGSIZE, RDWR) == -1, "mprotect accepts the end of the address space");
  writable(p, 3, "an mprotect that failed has changed something");
  check(mprotect(p, PGSIZE + 1, PROT_READ) == 0, "mprotect of a page and a byte");
  check(storekills(p) && storekills(p + PGSIZE) && !storekills(p + 2 * PGSIZE), "mprotect of a page and a byte is not of two pages");
  unmap(p, 3 * PGSIZE);
}

static void
nothing(void)
{
  holes();
  readonlyfile();
  odd();
}

// ---- table: parts that differ take slots, parts that are alike again give them back

// n mappings of 3 pages, a hole behind each, from BASE on.
static void
fillslots(int n)
{
  for (int i = 0; i < n; i++) {
    char *p = BASE + 4 * i * PGSIZE;
    check(mmap(p, 3 * PGSIZE, RDWR, ANON | MAP_FIXED, -1, 0) == p, "there is no room for 128 mappings");
  }
}

static void
fulltable(void)
{
  fillslots(NVMA);
  store(BASE + PGSIZE, 'f');
  check(mprotect(BASE + PGSIZE, PGSIZE, PROT_READ) == -1, "mprotect splits one of 128 mappings in three");
  check(mprotect(BASE, PGSIZE, PROT_READ) == -1, "mprotect splits one of 128 mappings in two");
  check(mprotect(BASE + 2 * PGSIZE, PGSIZE, PROT_READ) == -1, "mprotect splits one of 128 mappings in two");
  writable(BASE, 3, "mprotect failed for want of a slot, and changed something");
  check(mprotect(BASE, 3 * PGSIZE, PROT_READ) == 0 && storekills(BASE + PGSIZE), "mprotect of the whole of one of 128 mappings");
  unmap(BASE + 4 * PGSIZE, 3 * PGSIZE);
  char *last = BASE + 4 * (NVMA - 1) * PGSIZE;
  store(last + 2 * PGSIZE, 'l');
  check(mprotect(last + PGSIZE, PGSIZE, PROT_READ) == -1, "mprotect splits one of 127 mappings in three");
  writable(last, 3, "mprotect failed for want of a slot, and changed something");
  char *next = last - PGSIZE;   // a neighbour of the last that differs, and of the one before
  check(mmap(next, PGSIZE, RDWR | PROT_EXEC, ANON | MAP_FIXED, -1, 0) == next, "a 128th mapping");
  unmap(BASE + 8 * PGSIZE, 3 * PGSIZE);
  char *before = next - 3 * PGSIZE;
  store(before + 2 * PGSIZE, 'b');
  check(mprotect(before + 2 * PGSIZE, 3 * PGSIZE, PROT_READ) == -1, "mprotect cuts two of 127 mappings");
  writable(before, 4, "mprotect failed for want of a slot, and changed something");
  writable(last, 3, "mprotect failed for want of a slot, and changed something");
  unmap(next, PGSIZE);
  check(mprotect(last + PGSIZE, 2 * PGSIZE, PROT_READ) == 0, "mprotect of the tail of one of 127 mappings");
  check(!storekills(last) && storekills(last + PGSIZE) && storekills(last + 2 * PGSIZE), "mprotect of the tail changed not just that");
  unmap(BASE, AREA);
}

// Cut a mapping of 200 pages at many places, and make all alike again: from the left, the right, or at once.
static void
alikeagain(int how)
{
  char *p = mapanon(200 * PGSIZE, RDWR, ANON);

  for (int i = 0; i < 200; i++)
    store(p + i * PGSIZE, i);
  for (int shift = 0; shift < 4; shift++) {   // at other places each time
    for (int i = 0; i < 50; i++)
      protect(p + (4 * i + shift) * PGSIZE, PGSIZE, PROT_READ);
    if (how == 2)
      protect(p, 200 * PGSIZE, RDWR);
    for (int k = 0; k < 50 && how < 2; k++)
      protect(p + (4 * (how ? 49 - k : k) + shift) * PGSIZE, PGSIZE, RDWR);
  }
  check(room(BASE + AREA / 2, AREA / 2) == NVMA - 1, "parts that are alike again take more than one slot");
  for (int i = 0; i < 200; i++) {
    check(load(p + i * PGSIZE) == (char)i, "a page has lost what it held by mprotect");
    store(p + i * PGSIZE, 'x');
  }
  unmap(p, 200 * PGSIZE);
}

// One call over parts of several mappings, with nothing between.
static void
across(void)
{
  newfile(3, 4 * PGSIZE);
  char *p = mapanon(4 * PGSIZE, RDWR, ANON);
  int fd = opened(FILE1, O_RDWR);
  check(mmap(p + 4 * PGSIZE, 4 * PGSIZE, RDWR, MAP_SHARED | MAP_FIXED, fd, 0) == p + 4 * PGSIZE, "mmap");
  check(mmap(p + 8 * PGSIZE, 4 * PGSIZE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == p + 8 * PGSIZE, "mmap");
  close(fd);
  for (int i = 0; i < 8; i++)
    store(p + i * PGSIZE, 'a' + i);
  protect(p + 2 * PGSIZE, 8 * PGSIZE, PROT_READ);
  for (int i = 0; i < 12; i++)
    check(storekills(p + i * PGSIZE) == (i > 1), "mprotect over three mappings changed not just its range");
  protect(p + 3 * PGSIZE, 8 * PGSIZE, RDWR);
  for (int i = 0; i < 12; i++)
    check(storekills(p + i * PGSIZE) == (i == 2 || i == 11), "mprotect over three mappings changed not just its range");
  for (int i = 0; i < 8; i++)
    check(load(p + i * PGSIZE) == (i < 4 ? 'a' + i : 'K'), "a page has lost what it held by mprotect");   // a child's store, if shared
  for (int i = 0; i < 4; i++)
    want[i * PGSIZE] = 'K';
  unmap(p, 12 * PGSIZE);
  holds(FILE1, want, 4 * PGSIZE, "after mprotect over three mappings, the file");
}

static void
table(void)
{
  fulltable();
  for (int how = 0; how < 3; how++)
    alikeagain(how);
  across();
}

// ---- back: what was stored reaches the file, whatever the pages may be by then, and private pages never do

static void
writesback(int how)
{
  newfile(4 + how, 4 * PGSIZE);
  char *p = mapfile(FILE1, 4 * PGSIZE, RDWR, MAP_SHARED), *q = mapfile(FILE1, 4 * PGSIZE, PROT_READ, MAP_PRIVATE);
  load(q);
  for (int i = 0; i < 4; i++)
    store(p + i * PGSIZE + 5, want[i * PGSIZE + 5] = 'b');
  protect(p, PGSIZE, PROT_READ);
  protect(p + PGSIZE, PGSIZE, PROT_NONE);
  protect(p + 3 * PGSIZE, PGSIZE, PROT_READ);
  protect(p + 3 * PGSIZE, PGSIZE, RDWR);
  store(p + 3 * PGSIZE + 6, want[3 * PGSIZE + 6] = 'c');
  protect(q, 4 * PGSIZE, RDWR);
  store(q, 'q');
  store(q + PGSIZE, 'q');
  protect(q, 4 * PGSIZE, PROT_READ);
  if (how == 0) {
    unmap(p, 4 * PGSIZE);
    unmap(q, 4 * PGSIZE);
  }
  if (how == 1)
    exit(0);
  if (how == 2)
    load(p + PGSIZE);   // kills
}

static void
leave(void)
{
  writesback(1);
}

static void
die(void)
{
  writesback(2);
}

// A page that was only read, then may be written, is clean until it is.
static void
clean(void)
{
  newfile(8, PGSIZE);
  char *p = mapfile(FILE1, PGSIZE, PROT_READ, MAP_SHARED);
  load(p);
  protect(p, PGSIZE, RDWR);
  load(p);
  memset(want, 'n', 100);
  int fd = opened(FILE1, O_WRONLY);
  check(write(fd, want, 100) == 100, "write");
  close(fd);
  unmap(p, PGSIZE);
  holds(FILE1, want, PGSIZE, "a page that mprotect made writable, and nobody stored to, was written back");
}

static void
back(void)
{
  writesback(0);
  holds(FILE1, want, 4 * PGSIZE, "stores to pages that may not be stored to any more, after munmap, in the file");
  for (int n = 0; n < 2; n++) {
    newfile(5 + n, 4 * PGSIZE);
    alone(n ? die : leave, n ? -1 : 0, "a child that used mprotect did not end as it should");
    for (int i = 0; i < 4; i++)
      want[i * PGSIZE + 5] = 'b';
    want[3 * PGSIZE + 6] = 'c';
    holds(FILE1, want, 4 * PGSIZE, "stores to pages that may not be stored to any more, after the process's end, in the file");
  }
  clean();
}

// ---- family: a child has the rights and contents of its parent, and changes them for itself alone

static void
child1(char *p)
{
  check(load(p) == 'r' && load(p + 2 * PGSIZE) == 'w', "child: a page is not as its parent's");
  protect(p, 3 * PGSIZE, RDWR);
  check(load(p + PGSIZE) == 'n', "child: a page with PROT_NONE has lost what it held");
  for (int i = 0; i < 3; i++)
    store(p + i * PGSIZE, 'c');
  protect(p, 3 * PGSIZE, PROT_NONE);
}

static void
family(void)
{
  char *p = mapanon(3 * PGSIZE, RDWR, ANON);

  store(p, 'r');
  store(p + PGSIZE, 'n');
  store(p + 2 * PGSIZE, 'w');
  protect(p, PGSIZE, PROT_READ);
  protect(p + PGSIZE, PGSIZE, PROT_NONE);
  check(!kills(child1, p), "a child that gives itself rights is killed");
  check(load(p) == 'r' && load(p + 2 * PGSIZE) == 'w', "a child's store, after its mprotect, is seen by its parent");
  check(storekills(p) && loadkills(p + PGSIZE), "a child's mprotect gave its parent rights, or a child does not have its parent's");
  store(p + 2 * PGSIZE, 'W');
  protect(p, 2 * PGSIZE, RDWR);
  check(load(p + PGSIZE) == 'n', "a page with PROT_NONE has lost what it held");
  store(p, 'R');
  store(p + PGSIZE, 'N');
  unmap(p, 3 * PGSIZE);

  int before = freepages();
  for (int i = 0; i < 30; i++) {
    p = mapanon(10 * PGSIZE, RDWR, ANON);
    for (int k = 0; k < 10; k++)
      store(p + k * PGSIZE, 'f');
    protect(p + PGSIZE, 5 * PGSIZE, PROT_NONE);
    protect(p + 4 * PGSIZE, 4 * PGSIZE, PROT_READ);
    check(loadkills(p + 2 * PGSIZE), "a page with PROT_NONE can be read");
    unmap(p, 10 * PGSIZE);
  }
  check(freepages() > before - 20, "pages are lost after mprotect");
}

static struct section all[] = {
  { "protect-now",     "mprotect at once",              now },
  { "protect-execute", "mprotect and code",             execute },
  { "protect-nothing", "mprotect that fails",           nothing },
  { "protect-table",   "mprotect and the table",        table },
  { "protect-back",    "mprotect and files",            back },
  { "protect-family",  "mprotect, parents and children", family },
};

int
main(int argc, char *argv[])
{
  shrink();
  exit(sections(argc, argv, all, sizeof(all) / sizeof(all[0])));
}
