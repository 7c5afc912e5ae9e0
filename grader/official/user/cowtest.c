// cowtest.c - tests of copy-on-write fork: task 13.
#include "user/extlib.h"

#define MANY 800   // pages

static char data[2 * PGSIZE] = { 1, 2, 3 };
static int up[2], down[2];     // pipes: from the child, and to it

// Wait for the other side to come as far.
static void
meet(int mine, int theirs)
{
  char c;

  check(write(mine, "x", 1) == 1 && read(theirs, &c, 1) == 1, "the other process is gone");
}

// Start a child that calls f(p).
static int
start(void (*f)(char *), char *p)
{
  check(pipe(up) == 0 && pipe(down) == 0, "pipe");
  int pid = fork();
  check(pid >= 0, "fork");
  if (pid == 0) {
    f(p);
    exit(0);
  }
  return pid;
}

static void
end(int pid, char *what)
{
  int status;

  check(wait(&status) == pid && status == 0, what);
  for (int i = 0; i < 2; i++) {
    close(up[i]);
    close(down[i]);
  }
}

// ---- what fork costs

static void
storesto100(char *p)
{
  meet(up[1], down[0]);
  for (int i = 0; i < 100; i++)
    p[i * PGSIZE + 5 * PGSIZE]++;
  meet(up[1], down[0]);
}

// A child that stores to nothing costs few pages, one that stores, those.
static void
saves(void)
{
  char *p = mapanon(0, MANY * PGSIZE, RW, ANON), c;

  for (int i = 0; i < MANY; i++)
    p[i * PGSIZE] = i;
  int before = freepages();
  int pid = start(storesto100, p);
  check(read(up[0], &c, 1) == 1, "the child is gone");
  check(before - freepages() < MANY / 2, "fork copies pages that nobody stored to");
  check(write(down[1], "x", 1) == 1 && read(up[0], &c, 1) == 1, "the child is gone");
  for (int i = 0; i < MANY; i++)
    check(p[i * PGSIZE] == (char)i, "the parent sees what the child stored");
  write(down[1], "x", 1);
  end(pid, "the child fails");
  check(freepages() == before, "pages are lost");
  munmap(p, MANY * PGSIZE);
}

static void
nothing(char *unused)
{
}

// A process that has most of the memory can fork; when the child is gone, its pages are its own again.
static void
large(void)
{
  int free = freepages(), n = free - free / 3;
  char *p = sbrk(n * PGSIZE);

  check(p != SBRK_ERROR, "sbrk");
  for (int i = 0; i < n; i++)
    *(int *)(p + i * PGSIZE) = i;
  check(outcome(nothing, 0) == 0, "a child of a process that has two thirds of the memory");
  for (int i = 0; i < n; i++)
    check(*(int *)(p + i * PGSIZE) == i, "a page has changed");
  for (int i = 0; i < n; i++)
    *(int *)(p + i * PGSIZE) = -i;
  sbrk(-n * PGSIZE);
  check(freepages() >= free - 1, "pages are lost");
}

// The sections below say something of a fork that shares only: one that copies would pass them.
static void
shares(void)
{
  static int shared;

  if (!shared)
    saves();
  shared = 1;
}

// ---- who sees what

static void
childchanges(char *p)
{
  meet(up[1], down[0]);
  check(p[0] == 'a' && data[1] == 2, "the child sees what the parent stored after fork");
  p[0] = 'c';
  data[1] = 'c';
  meet(up[1], down[0]);
  check(p[0] == 'c' && data[1] == 'c' && p[PGSIZE] == 'a', "the child's pages");
}

// Stores on both sides, to heap, data and mappings, are seen on their own side only.
static void
apart(void)
{
  char *heap = sbrk(2 * PGSIZE), *map = mapanon(0, 2 * PGSIZE, RW, ANON);

  shares();
  for (int i = 0; i < 2; i++) {
    char *p = i ? heap : map;
    memset(p, 'a', 2 * PGSIZE);
    data[1] = 2;
    int pid = start(childchanges, p);
    p[0] = p[PGSIZE] = 'p';
    data[1] = 'p';
    meet(down[1], up[0]);
    meet(down[1], up[0]);
    check(p[0] == 'p' && data[1] == 'p' && p[1] == 'a', "the parent's pages");
    p[PGSIZE] = 'a';
    end(pid, "the child fails");
    check(p[0] == 'p' && p[1] == 'a' && data[1] == 'p', "the parent's pages, afterwards");
  }
  munmap(map, 2 * PGSIZE);
  sbrk(-2 * PGSIZE);
}

// Three generations have one page; each stores in its turn, the youngest first.
static void
generation(char *p)
{
  int status, depth = *p;

  if (depth < 5) {
    *p = depth + 1;
    check(cfork() != 0 || (generation(p), exit(0), 0), "cfork");
    check(wait(&status) > 0 && status == 0, "a descendant fails");
    check(*p == depth + 1, "a descendant's store is seen");
  }
  p[1] = depth;
  check(p[1] == depth, "a store is lost");
}

static void
generations(void)
{
  char *p = mapanon(0, PGSIZE, RW, ANON);

  shares();
  *p = 1;
  generation(p);
  munmap(p, PGSIZE);
}

// ---- calls that meet a page with two owners

static void
kernelstores(char *p)
{
  int fds[2], status;

  pipe(fds);
  check(write(fds[1], "kernel", 6) == 6 && read(fds[0], p, 6) == 6 && p[0] == 'k', "read into a page with two owners");
  int pid = fork();
  if (pid == 0)
    exit(77);
  check(wait((int *)(p + 100)) == pid && p[100] == 77, "wait into a page with two owners");
  struct stat *st = (struct stat *)(p + 200);
  check(stat(".", st) == 0 && st->type == T_DIR, "fstat into a page with two owners");
  (void)status;
}

static void
kernel(void)
{
  char *p = mapanon(0, PGSIZE, RW, ANON);

  shares();
  memset(p, 'a', PGSIZE);
  check(outcome(kernelstores, p) == 0, "the child fails");
  for (int i = 0; i < PGSIZE; i++)
    check(p[i] == 'a', "the kernel stored into the parent's page for the child");
  munmap(p, PGSIZE);
}

static void
changesmaps(char *p)
{
  check(munmap(p, PGSIZE) == 0, "munmap");
  check(mprotect(p + PGSIZE, PGSIZE, PROT_READ) == 0 && storekills(p + PGSIZE), "mprotect of a page with two owners");
  check(mprotect(p + PGSIZE, PGSIZE, RW) == 0, "mprotect back");
  p[PGSIZE] = 'c';
  check(mprotect(p + 2 * PGSIZE, PGSIZE, PROT_NONE) == 0 && loadkills(p + 2 * PGSIZE), "PROT_NONE for a page with two owners");
}

static void
maps(void)
{
  char *p = mapanon(0, 3 * PGSIZE, RW, ANON);

  shares();
  memset(p, 'a', 3 * PGSIZE);
  int before = freepages();
  check(outcome(changesmaps, p) == 0, "the child fails");
  check(p[0] == 'a' && p[PGSIZE] == 'a' && p[2 * PGSIZE] == 'a', "the child's munmap or mprotect changed the parent's pages");
  check(freepages() == before, "pages are lost");
  mprotect(p, PGSIZE, PROT_READ);
  check(outcome(nothing, p) == 0 && storekills(p), "a read-only page becomes writable by fork");
  munmap(p, 3 * PGSIZE);
}

static void
runs(char *p)
{
  char *argv[] = { "echo", 0 };

  p[0] = 'c';
  exec("echo", argv);
  check(0, "exec");
}

static void
dies(char *p)
{
  p[0] = 'c';
  *(volatile char *)0x30000000 = 1;
}

static void
ends(void)
{
  char *p = mapanon(0, 20 * PGSIZE, RW, ANON);

  shares();
  memset(p, 'a', 20 * PGSIZE);
  outcome(runs, p);
  int before = freepages();
  for (int i = 0; i < 10; i++) {
    check(outcome(runs, p) == 0 && outcome(dies, p) == -1, "children that end");
    check(p[0] == 'a', "a child's store is seen");
  }
  check(freepages() == before, "pages are lost");
  munmap(p, 20 * PGSIZE);
}

// The text can't be stored to, before and after fork.
static void
text(void)
{
  shares();
  check(storekills((char *)text), "the program's text can be stored to");
  check(outcome(nothing, 0) == 0 && storekills((char *)text), "the program's text can be stored to after fork");
}

// ---- memory that is out

static void
takememory(void)
{
  for (int piece = 512; piece > 0; piece /= 8)
    while (sbrk(piece * PGSIZE) != SBRK_ERROR)
      ;
}

static void
takesall(char *p)
{
  takememory();
  for (int i = 0; i < 2 * MANY; i++)
    p[i * PGSIZE]++;   // sooner or later there is none for a copy
}

// That process is killed, and no other notices.
static void
memory(void)
{
  char *p = mapanon(0, 2 * MANY * PGSIZE, RW, ANON);

  for (int i = 0; i < 2 * MANY; i++)
    p[i * PGSIZE] = i;
  int before = freepages();
  for (int i = 0; i < 3; i++)
    check(outcome(takesall, p) == -1, "a process that stores though there is no page for a copy");
  for (int i = 0; i < 2 * MANY; i++)
    check(p[i * PGSIZE] == (char)i, "the parent sees what the child stored");
  check(freepages() == before, "pages are lost");
  munmap(p, 2 * MANY * PGSIZE);
}

// ---- promises

// A child that, when it is told to, stores to the n pages at p, and says so.
static int
startstoring(char *p, int n, int *tell, int *said)
{
  int pid = fork();
  char c;

  check(pid >= 0, "fork");
  if (pid > 0)
    return pid;
  check(read(tell[0], &c, 1) == 1, "the parent is gone");
  for (int i = 0; i < n; i++)
    p[i * PGSIZE]++;
  write(said[1], "x", 1);
  exit(0);
}

// Three processes have the n pages at p, the third since more was mapped or unmapped below them. No memory is left:
// each can store to all.
static void
threestore(char *p, int n, void (*change)(char *))
{
  int tell[2], said[2], status;
  char c;

  memset(p, 'a', n * PGSIZE);
  check(pipe(tell) == 0 && pipe(said) == 0, "pipe");
  startstoring(p, n, tell, said);
  change(p);
  startstoring(p, n, tell, said);
  takememory();
  for (int i = 0; i < n; i++)
    p[i * PGSIZE]++;
  check(write(tell[1], "xx", 2) == 2, "write to a pipe");
  for (int i = 0; i < 2; i++)
    check(wait(&status) > 0 && status == 0, "a store that was promised a copy kills");
  check(read(said[0], &c, 1) == 1 && read(said[0], &c, 1) == 1, "a child did not store");
  for (int i = 0; i < n; i++)
    check(p[i * PGSIZE] == 'b', "a child's store is seen");
}

static void
unmaplower(char *p)
{
  check(munmap(p - 100 * PGSIZE, 100 * PGSIZE) == 0, "munmap");
}

static void
maplower(char *p)
{
  check(mapanon(p - 128 * PGSIZE, 128 * PGSIZE, RW, ANON | MAP_FIXED) == p - 128 * PGSIZE, "mmap");
}

static void
withlower(char *p)
{
  mapanon(p - 100 * PGSIZE, 200 * PGSIZE, RW, ANON | MAP_FIXED);
  threestore(p, 100, unmaplower);
}

static void
withoutlower(char *p)
{
  mapanon(p, 100 * PGSIZE, RW, ANON | MAP_FIXED);
  threestore(p, 100, maplower);
}

// How far behind the start of its mapping a page lies may change between two forks: a promise stays one.
static void
promises(void)
{
  shares();
  int before = freepages();

  check(outcome(withlower, BASE + 200 * PGSIZE) == 0, "after munmap below");
  check(outcome(withoutlower, BASE + 200 * PGSIZE) == 0, "after mmap below");
  check(freepages() == before, "pages are lost");
}

static struct section all[] = {
  { "cow-saves",       saves },
  { "cow-large",       large },
  { "cow-apart",       apart },
  { "cow-generations", generations },
  { "cow-kernel",      kernel },
  { "cow-maps",        maps },
  { "cow-ends",        ends },
  { "cow-text",        text },
  { "cow-memory",      memory },
  { "cow-promises",    promises },
};

int
main(int argc, char *argv[])
{
  sections(argc, argv, all, sizeof(all) / sizeof(all[0]));
}
