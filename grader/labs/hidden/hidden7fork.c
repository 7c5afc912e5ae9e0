// hidden7fork.c - task 7: what a child has of its parent's mappings, and what it has not. A process unmaps what it has before
// it ends: exit is another task.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"
#include "hid.h"

// ---- private: as it is at the fork, and apart from then on

static void
grandchild(char *p)
{
  check(load(p) == 'C' && load(p + PGSIZE) == 'P' && load(p + 2 * PGSIZE) == want[2 * PGSIZE],
        "grandchild: private mapping differs from the child's");
  p[0] = p[3 * PGSIZE] = 'G';
  check(load(p + 3 * PGSIZE) == 'G', "grandchild: a store was lost");
  unmap(p, 4 * PGSIZE);
  exit(0);
}

static void
apart(void)
{
  newfile(1, 4 * PGSIZE);
  char *p = mapfile(FILE1, 4 * PGSIZE, RDWR, MAP_PRIVATE);
  p[0] = p[PGSIZE] = 'P';
  check(load(p + 2 * PGSIZE) == want[2 * PGSIZE], "mapping differs from the file");
  if (child() == 0) {
    hear();   // the parent has stored
    check(load(p) == 'P' && load(p + PGSIZE) == 'P', "child: a private page is not as it was at the fork");
    check(load(p + 2 * PGSIZE) == want[2 * PGSIZE], "child: what the parent stored later in a private page is seen");
    p[0] = 'C';
    if (child() == 0)
      grandchild(p);
    join(0, "grandchild did not end well");
    check(load(p) == 'C' && load(p + 3 * PGSIZE) == want[3 * PGSIZE], "child: what a grandchild stored in a private page is seen");
    unmap(p, 4 * PGSIZE);
    exit(0);
  }
  p[0] = p[2 * PGSIZE] = 'Q';
  tell();
  join(0, "child with private pages did not end well");
  check(load(p) == 'Q' && load(p + PGSIZE) == 'P' && load(p + 2 * PGSIZE) == 'Q',
        "parent: what a child stored in a private page is seen");
  unmap(p, 4 * PGSIZE);
  holds(FILE1, want, 4 * PGSIZE, "private pages have reached the file");
}

// A read-only private page, too, is what the parent saw, though the file has changed.
static void
readonly(void)
{
  newfile(10, 2 * PGSIZE);
  char *p = mapfile(FILE1, 2 * PGSIZE, PROT_READ, MAP_PRIVATE);
  load(p + 100);
  newfile(11, 2 * PGSIZE);
  char saw = load(p + 100);
  if (child() == 0) {
    check(load(p + 100) == saw, "child: a private page is not as its parent saw it");
    unmap(p, 2 * PGSIZE);
    exit(0);
  }
  join(0, "child that reads a private page did not end well");
  unmap(p, 2 * PGSIZE);
}

static void
privatepages(void)
{
  apart();
  readonly();
}

// ---- shared: a child that did not store writes nothing back

static void
stale(void)
{
  newfile(2, 2 * PGSIZE);
  char *p = mapfile(FILE1, 2 * PGSIZE, RDWR, MAP_SHARED);
  p[0] = 'o';
  if (child() == 0) {
    hear();   // the parent has unmapped
    unmap(p, 2 * PGSIZE);
    exit(0);
  }
  p[0] = want[0] = 'n';
  p[PGSIZE] = want[PGSIZE] = 'n';
  unmap(p, 2 * PGSIZE);
  holds(FILE1, want, 2 * PGSIZE, "the parent's stores are not in the file while a child has it mapped");
  fill(want, 3, PGSIZE);
  int fd = opened(FILE1, O_WRONLY);
  check(write(fd, want, PGSIZE) == PGSIZE, "write");
  close(fd);
  tell();
  join(0, "child with a shared mapping did not end well");
  holds(FILE1, want, 2 * PGSIZE, "a child wrote back what only its parent had stored");
}

// The child's own stores reach the file, in parts.
static void
childstores(void)
{
  newfile(4, 4 * PGSIZE);
  char *p = mapfile(FILE1, 4 * PGSIZE, RDWR, MAP_SHARED);
  if (child() == 0) {
    p[0] = p[PGSIZE] = p[3 * PGSIZE] = 'c';
    unmap(p + 3 * PGSIZE, PGSIZE);
    unmap(p, 3 * PGSIZE);
    exit(0);
  }
  join(0, "child with a shared mapping did not end well");
  want[0] = want[PGSIZE] = want[3 * PGSIZE] = 'c';
  holds(FILE1, want, 4 * PGSIZE, "a child's stores to an inherited mapping did not reach the file");
  unmap(p, 4 * PGSIZE);
  holds(FILE1, want, 4 * PGSIZE, "the parent's munmap changed what its child had stored");
}

// What the parent stored before the fork is still its own to write back.
static void
parentstores(void)
{
  newfile(9, 2 * PGSIZE);
  char *p = mapfile(FILE1, 2 * PGSIZE, RDWR, MAP_SHARED);
  p[5] = want[5] = 'b';
  if (child() == 0) {
    check(load(p + PGSIZE) == want[PGSIZE], "child: shared mapping differs from the file");
    unmap(p, 2 * PGSIZE);
    exit(0);
  }
  join(0, "child with a shared mapping did not end well");
  unmap(p, 2 * PGSIZE);
  holds(FILE1, want, 2 * PGSIZE, "what the parent stored before the fork was not written back");
}

static void
shared(void)
{
  stale();
  parentstores();
  childstores();
}

// ---- inherit: many mappings, of all kinds

// Mapping i differs from the others in the page that was or will be touched.
static int
right(char **p, int i)
{
  int at = i % 4 * PGSIZE + i;

  return load(p[i] + at) == want[at];
}

static void
inheritor(char **p)
{
  for (int i = 0; i < NMAP; i++)
    check(right(p, i), "child: one of many mappings is wrong");
  for (int i = 0; i < NMAP; i += 3)
    unmap(p[i], 4 * PGSIZE);
  for (int i = 0; i < NMAP; i += 3)
    p[i] = mapfile(FILE1, 4 * PGSIZE, PROT_READ, MAP_SHARED);
  for (int i = 0; i < NMAP; i++) {
    check(right(p, i), "child: a mapping suffered from a new one");
    unmap(p[i], 4 * PGSIZE);
  }
  exit(0);
}

static void
inherit(void)
{
  char *p[NMAP];

  newfile(5, 4 * PGSIZE);
  for (int i = 0; i < NMAP; i++) {
    p[i] = mapfile(FILE1, 4 * PGSIZE, i ? RDWR : PROT_READ, i % 2 ? MAP_SHARED : MAP_PRIVATE);
    if (i % 4 == 3)
      check(right(p, i), "mapping differs from the file");
  }
  if (child() == 0)
    inheritor(p);
  join(0, "child with many mappings did not end well");
  for (int i = 0; i < NMAP; i++)
    check(right(p, i), "a child's munmap changed its parent's mapping");
  for (int i = 0; i < NMAP; i++)
    unmap(p[i], 4 * PGSIZE);
  holds(FILE1, want, 4 * PGSIZE, "mappings that were only read changed the file");
}

// ---- files: the child's references are its own

static void
lastowner(void)
{
  newfile(6, 20 * PGSIZE);
  char *p = mapfile(FILE1, 20 * PGSIZE, RDWR, MAP_SHARED);
  if (child() == 0) {
    hear();   // the parent has unmapped and unlinked
    same(p, want, 20 * PGSIZE, "child: the mapping changed when the parent unmapped and unlinked the file");
    unmap(p, 20 * PGSIZE);
    exit(0);
  }
  unmap(p, 20 * PGSIZE);
  check(unlink(FILE1) == 0, "unlink");
  tell();
  join(0, "child with the last mapping of a file did not end well");
}

static void
files(void)
{
  shrinkdisk();
  lastowner();
  int before = freeblocks();
  for (int i = 0; i < 2; i++)
    lastowner();
  check(freeblocks() > before - 20, "the blocks of files do not come back that a child had mapped last");
}

// ---- lost: pages of children, and of forks that fail half-way

static void
forkround(char *priv, char *shared)
{
  if (child() == 0) {
    store(priv, 'x');
    store(shared, 'y');
    load(shared + PGSIZE);
    unmap(priv, 4 * PGSIZE);
    unmap(shared, 4 * PGSIZE);
    exit(0);
  }
  join(0, "child with inherited mappings did not end well");
}

// A process that takes all memory when it is told, and then gives back a page each time.
static void
holder(void)
{
  hear();
  takeall();
  for (;;) {
    tell();
    hear();
    sbrk(-PGSIZE);
  }
}

// fork without memory, then with a page, and so on until it succeeds. The mapping needs 12 pages in the child.
static void
failingforks(void)
{
  int pid = -1, status, holding = child();

  if (holding == 0)
    holder();
  newfile(8, 12 * PGSIZE);
  char *p = mapfile(FILE1, 12 * PGSIZE, RDWR, MAP_PRIVATE), *q = mapfile(FILE1, PGSIZE, RDWR, MAP_SHARED);
  unlink(FILE1);
  for (int k = 0; k < 12; k++)
    p[k * PGSIZE] = q[k] = 'f';
  for (int i = 0; i < 300 && pid < 0; i++) {
    tell();
    hear();
    pid = fork();
  }
  check(pid >= 0, "fork fails though there is memory");
  if (pid == 0) {
    int good = load(p + 11 * PGSIZE) == 'f';
    unmap(p, 12 * PGSIZE);
    unmap(q, PGSIZE);
    exit(good ? 0 : 2);
  }
  check(wait(&status) == pid && status == 0, "the child of a fork that hardly had memory did not end well");
  kill(holding);
  join(-1, "a killed child did not end so");
  unmap(p, 12 * PGSIZE);
  unmap(q, PGSIZE);
}

static void
lost(void)
{
  shrink();
  newfile(7, 4 * PGSIZE);
  char *priv = mapfile(FILE1, 4 * PGSIZE, RDWR, MAP_PRIVATE), *shared = mapfile(FILE1, 4 * PGSIZE, RDWR, MAP_SHARED);
  for (int i = 0; i < 2; i++)
    priv[i * PGSIZE] = shared[i * PGSIZE] = 'p';
  forkround(priv, shared);
  int pages = freepages();
  for (int i = 0; i < 30; i++)
    forkround(priv, shared);
  check(freepages() > pages - 20, "fork loses pages of mappings");
  unmap(priv, 4 * PGSIZE);
  unmap(shared, 4 * PGSIZE);

  shrinkdisk();
  failingforks();
  pages = freepages();
  int blocks = freeblocks();
  failingforks();
  check(freepages() > pages - 8, "forks that fail half-way lose pages");
  check(freeblocks() > blocks - 20, "forks that fail half-way keep files open");
}

static struct section all[] = {
  { "apart",      "private pages after fork", privatepages },
  { "stores",     "shared pages after fork",  shared },
  { "inherit",    "fork with many mappings",    inherit },
  { "files",      "files of children",        files },
  { "fork-frees", "what forks lose",          lost },
};

int
main(int argc, char *argv[])
{
  exit(sections(argc, argv, all, sizeof(all) / sizeof(all[0])));
}
