// hidden13cow.c - task 13: who owns a page after forks, in which order they end, and what happens where no page is left for a copy.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"
#include "hid.h"

#define PAGES   300     // more than fork promises copies for
#define FEW     20
#define SOME    60
#define CROWD   3       // processes that store at one time

static char data[3 * PGSIZE] = "data";
static char *heap, *area;   // PAGES pages each, of heap and of a private mapping

// The two areas, each page with a value of its own.
static void
makeareas(void)
{
  heap = sbrk(PAGES * PGSIZE);
  check(heap != SBRK_ERROR, "sbrk");
  area = mapanon(PAGES * PGSIZE, RDWR, ANON);
  for (int i = 0; i < PAGES; i++) {
    store(heap + i * PGSIZE, i);
    store(area + i * PGSIZE, i + 1);
  }
}

static void
dropareas(void)
{
  unmap(area, PAGES * PGSIZE);
  sbrk(-PAGES * PGSIZE);
}

static void
storeall(char c)
{
  for (int i = 0; i < PAGES; i++) {
    store(heap + i * PGSIZE + 1, c);
    store(area + i * PGSIZE + 1, c);
  }
}

// Both areas are as they were made, with c in the second byte of each page.
static void
whole(char c, char *what)
{
  for (int i = 0; i < PAGES; i++)
    check(load(heap + i * PGSIZE) == (char)i && load(area + i * PGSIZE) == (char)(i + 1) &&
          load(heap + i * PGSIZE + 1) == c && load(area + i * PGSIZE + 1) == c, what);
}

// ---- last: who is the last owner of a page stores to it without a copy: there is no memory for one

enum { EXIT, KILL, EXEC, FAULT, UNMAP, STORE, NEST, WAYS };

static int way;

// A child that gives up the areas in one way.
static void
giveup(void)
{
  char *argv[] = { self, "-gone", 0 };

  if (way == KILL) {
    kill(getpid());
    for (;;)
      pause(1);
  }
  if (way == EXEC) {
    exec(self, argv);
    fail("exec");
  }
  if (way == FAULT)
    load((char *)0x3fff0000);   // neither heap nor mapping
  if (way == UNMAP || way == STORE) {
    if (way == STORE)
      storeall('c');
    else
      dropareas();
    tell();
    hear();                     // until the parent has stored
  }
  if (way == NEST && fork() == 0) {
    storeall('n');
    whole('n', "grandchild: a page is not as it was stored");
  }
  exit(0);
}

static void
lastowner(void)
{
  makeareas();
  if (child() == 0)
    giveup();
  int lives = way == UNMAP || way == STORE, status;
  if (lives)
    hear();
  else
    check(wait(&status) > 0 && status == (way == KILL || way == FAULT ? -1 : 0), "a child did not end as it should");
  if (way != NEST)              // a grandchild, which nobody waits for, needs some
    takeall();
  storeall('p');
  whole('p', "parent: a page is not as it was stored, after a child had it");
  if (lives) {
    tell();
    check(wait(&status) > 0 && status == 0, "a child did not end well");
  }
  exit(0);
}

// The other way: the parent is the first to give up what it has.
static void
lastchild(void)
{
  makeareas();
  if (child() == 0) {
    hear();
    takeall();
    storeall('c');
    whole('c', "child: a page is not as it was stored, after its parent had it");
    exit(0);
  }
  dropareas();
  tell();
  join(0, "a child can't store to pages that are its own, though that takes no memory");
}

static void
last(void)
{
  alone(lastchild, 0, "a process whose child had its pages last did not end well");
  for (way = 0; way < WAYS; way++)
    alone(lastowner, 0, "a process can't store to pages that are its own again, though that takes no memory");
}

// ---- sides: what either side stores, by itself or by a system call, wherever, is seen on that side alone

static int status;      // in the data

static void
callsstore(char *p)
{
  int fds[2];
  struct stat st;

  check(pipe(fds) == 0 && write(fds[1], "CALL", 4) == 4 && read(fds[0], p + 10, 4) == 4, "read() to a page that has two owners");
  check(load(p + 10) == 'C' && load(p + 13) == 'L', "read() to a page that has two owners stored something else");
  int pid = fork();
  if (pid == 0)
    exit(7);
  check(wait((int *)(p + 200)) == pid && *(int *)(p + 200) == 7, "wait() to a page that has two owners");
  check(stat(".", (struct stat *)(p + 400)) == 0 && stat(".", &st) == 0 && memcmp(p + 400, &st, sizeof(st)) == 0,
        "fstat() to a page that has two owners");
  check(pipe((int *)(p + 600)) == 0 && write(((int *)(p + 600))[1], "x", 1) == 1, "pipe() to a page that has two owners");
  close(((int *)(p + 600))[0]);
  close(((int *)(p + 600))[1]);
  close(fds[0]);
  close(fds[1]);
}

// A page of heap, mapping, data, and one of the stack: the child's calls store into each, then the parent's.
static void
sidesof(char *p, int far)
{
  static char before[PGSIZE];

  memset(p, 's', 1000);
  memmove(before, p, 1000);
  if (child() == 0) {
    callsstore(p);
    tell();
    hear();   // the parent's calls have stored
    check(load(p) == 's' && load(p + 10) == 'C', "child: a page is not as it was stored");
    exit(0);
  }
  hear();
  same(p, before, 1000, far ? "parent: what a system call stored for its child is seen" : "parent: a child's system call stored to the stack of both");
  callsstore(p);
  store(p, 'P');
  tell();
  join(0, "a child whose system calls store did not end well");
  check(load(p) == 'P' && load(p + 10) == 'C' && load(p + 1) == 's', "parent: a page is not as it was stored");
}

static void
sides(void)
{
  uint64 local[1000 / 8];

  heap = sbrk(2 * PGSIZE);
  area = mapanon(2 * PGSIZE, RDWR, ANON);
  newfile(1, PGSIZE);
  char *file = mapfile(FILE1, PGSIZE, RDWR, MAP_PRIVATE);
  sidesof(heap + 100, 1);
  sidesof(area + 100, 1);
  sidesof(data + PGSIZE + 100, 1);
  sidesof(file + 100, 1);
  sidesof((char *)local, 0);
  unmap(file, PGSIZE);
  unmap(area, 2 * PGSIZE);
  sbrk(-2 * PGSIZE);
  holds(FILE1, want, PGSIZE, "a store to a private page has reached the file");

  status = 5;   // cfork is fork
  int pid = cfork();
  check(pid >= 0, "cfork");
  if (pid == 0) {
    status = 6;
    exit(getpid() == pid);
  }
  int got;
  check(wait(&got) == pid && got == 0 && status == 5, "cfork does not do what fork does");
}

// ---- shared: what is MAP_SHARED stays shared, whoever forks

static void
shared(void)
{
  newfile(2, 2 * PGSIZE);
  char *f = mapfile(FILE1, 2 * PGSIZE, RDWR, MAP_SHARED), *a = mapanon(2 * PGSIZE, RDWR, ANONS);

  store(f, 'P');
  store(a, 'P');
  if (child() == 0) {
    if (child() == 0) {
      store(f + 1, 'G');
      store(a + 1, 'G');
      exit(0);
    }
    int mine = wait(&status);
    check(mine > 0 && status == 0 && load(f + 1) == 'G' && load(a + 1) == 'G', "child: what a grandchild stored in shared memory is not seen");
    store(f + 2, 'C');
    store(a + PGSIZE, 'C');
    exit(0);
  }
  join(0, "a child with shared memory did not end well");
  check(load(f + 1) == 'G' && load(f + 2) == 'C' && load(a + 1) == 'G' && load(a + PGSIZE) == 'C',
        "what a child stored in shared memory is not seen");
  unmap(a, 2 * PGSIZE);
  unmap(f, 2 * PGSIZE);
  memmove(want, "PGC", 3);
  holds(FILE1, want, 2 * PGSIZE, "what a family stored in a shared mapping is not all in the file");
}

// ---- readonly: what nobody may store to stays so, and what may be after mprotect is each one's own

static void
readonly(void)
{
  char *text = (char *)readonly;
  int fds[2];

  area = mapanon(2 * PGSIZE, RDWR, ANON);
  store(area, 'r');
  check(mprotect(area, PGSIZE, PROT_READ) == 0, "mprotect");
  newfile(3, PGSIZE);
  char *file = mapfile(FILE1, PGSIZE, PROT_READ, MAP_PRIVATE);
  load(file);
  check(pipe(fds) == 0 && write(fds[1], data, 100) == 100, "pipe");
  if (child() == 0) {
    check(storekills(text) && storekills(area) && storekills(file), "child: a read-only page can be stored to");
    check(read(fds[0], text, 1) != 1 && read(fds[0], area, 1) != 1, "child: read() stores to a read-only page");
    check(mprotect(area, PGSIZE, RDWR) == 0, "mprotect");
    store(area, 'c');
    check(load(area) == 'c', "child: a store is lost");
    exit(0);
  }
  join(0, "a child with read-only pages did not end well");
  check(load(area) == 'r', "parent: what a child stored after mprotect is seen");
  check(storekills(text) && storekills(area) && storekills(file), "a page that is read-only can be stored to after fork");
  check(read(fds[0], text, 1) != 1 && read(fds[0], area, 1) != 1 && read(fds[0], file, 1) != 1, "read() stores to a read-only page, after fork");
  check(mprotect(area, 2 * PGSIZE, RDWR) == 0, "mprotect");
  store(area, 'p');
  close(fds[0]);
  close(fds[1]);
  unmap(area, 2 * PGSIZE);
  unmap(file, PGSIZE);
}

// ---- without: a store for which there is no page kills that process, a call fails, a fork fails; nothing is lost

static void
storewithout(char *p)
{
  takeall();
  for (int i = PAGES - 1; i >= 0; i--)
    store(p + i * PGSIZE + 1, 'w');
}

static void
callwithout(char *p)
{
  int fds[2], failed = 0;

  check(pipe(fds) == 0, "pipe");
  takeall();
  for (int i = PAGES - 1; i >= 0; i--) {
    check(write(fds[1], "x", 1) == 1, "write");
    if (read(fds[0], p + i * PGSIZE + 1, 1) == 1)
      continue;
    failed = 1;
    break;
  }
  check(failed, "read() stores to pages of two owners, with no memory for a copy");
}

static void
forkwithout(char *unused)
{
  int pid = -1;

  sbrk(-(PAGES - FEW) * PGSIZE);
  unmap(area + FEW * PGSIZE, (PAGES - FEW) * PGSIZE);
  takeall();
  for (int i = 0; i < 500 && (pid = fork()) < 0; i++)   // it fails for want of a page, then of two, ...
    sbrk(-PGSIZE);
  if (pid == 0)
    exit(0);
  check(pid > 0 && wait(&status) == pid && status == 0, "fork fails though there is memory, or its child did not end well");
  for (int i = 0; i < FEW; i++)   // its parent has these too
    check(load(area + i * PGSIZE) == (char)(i + 1) && load(heap + i * PGSIZE) == (char)i, "a page has changed with a fork that failed");
}

static void
without(void)
{
  makeareas();
  check(kills(storewithout, heap) && kills(storewithout, area), "a store to a page of two owners, with no memory for a copy, does not kill");
  int before = freepages();
  for (int i = 0; i < 2; i++) {
    check(kills(storewithout, heap), "a store to the heap, with no memory for a copy, does not kill");
    check(kills(storewithout, area), "a store to a mapping, with no memory for a copy, does not kill");
    check(!kills(callwithout, heap) && !kills(callwithout, area), "a system call that finds no memory for a copy kills");
    check(!kills(forkwithout, 0), "a process that forks without memory did not end well");
  }
  whole(0, "parent: a page has changed, where children had no memory");
  check(freepages() > before - 20, "pages are lost where children had no memory");
  storeall('p');
  whole('p', "parent: a page can't be stored to any more, where children had no memory");
  dropareas();
}

// ---- middle: several processes store to the same pages, exec, exit and are killed, all at one time

static void
storer(int me)
{
  char *argv[] = { self, "-gone", 0 };

  for (int i = 0; i < SOME; i++) {
    store(area + i * PGSIZE + 2, me);
    store(heap + (SOME - 1 - i) * PGSIZE + 2, me);
  }
  for (int i = 0; i < SOME; i++)
    check(load(area + i * PGSIZE + 2) == me && load(heap + i * PGSIZE + 2) == me && load(area + i * PGSIZE) == (char)(i + 1),
          "one of several processes that store at one time sees another's store");
  if (me % 4 == 0)
    exec(self, argv);
  if (me % 4 == 1)
    load((char *)0x3fff0000);
  if (me % 4 == 2) {
    int pid = fork();
    if (pid == 0)
      storer(me + 1);
    check(pid < 0 || (wait(&status) == pid && status == 0), "a child's child that stores did not end as it should");
  }
  exit(0);
}

static void
middleround(int round)
{
  int pids[CROWD];

  for (int i = 0; i < CROWD; i++) {
    pids[i] = fork();
    check(pids[i] >= 0, "fork");
    if (pids[i] == 0)
      storer(1 + i + round);
  }
  for (int i = 0; i < SOME; i++)   // the parent stores as well
    store(area + i * PGSIZE + 2, 'P');
  kill(pids[round % CROWD]);
  for (int i = 0; i < CROWD; i++)
    check(wait(&status) > 0 && status != 1, "one of several processes that store at one time did not end as it should");
}

static void
middle(void)
{
  makeareas();
  unmap(area + SOME * PGSIZE, (PAGES - SOME) * PGSIZE);   // there must be memory enough for all of them
  sbrk(-(PAGES - SOME) * PGSIZE);
  for (int round = 0; round < 2; round++)
    middleround(round);
  pause(2);   // children of children end as well
  int before = freepages();
  for (int round = 0; round < 20; round++)
    middleround(round);
  for (int i = 0; i < SOME; i++)
    check(load(area + i * PGSIZE + 2) == 'P' && load(heap + i * PGSIZE + 2) == 0, "parent: a store is lost, or a child's is seen");
  int lost = 1;
  for (int i = 0; i < 10 && lost; i++) {
    lost = freepages() <= before - 20;
    pause(1);
  }
  check(!lost, "pages are lost where several processes store at one time");
  unmap(area, SOME * PGSIZE);
  sbrk(-SOME * PGSIZE);
}

static struct section all[] = {
  { "cow-last",     "last owners of pages",          last },
  { "cow-sides",    "stores of parent and child",    sides },
  { "cow-shared",   "shared memory after fork",      shared },
  { "cow-readonly", "read-only pages after fork",    readonly },
  { "cow-without",  "copies without memory",         without },
  { "cow-middle",   "stores and ends at one time",   middle },
};

int
main(int argc, char *argv[])
{
  self = argv[0];
  if (argc == 2 && strcmp(argv[1], "-gone") == 0)
    exit(0);
  shrink();
  exit(sections(argc, argv, all, sizeof(all) / sizeof(all[0])));
}
