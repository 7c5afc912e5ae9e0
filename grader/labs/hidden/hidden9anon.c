// hidden9anon.c - task 9: anonymous memory over generations of processes, in parts, used by system calls, and without memory.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"
#include "hid.h"

// ---- generations: a process maps, its child forks and ends, the grandchild goes on, and each touches a page first

// The pipes are its parent's, which has ended.
static void
grandchild(char *p)
{
  hear();
  check(load(p) == 'P' && load(p + PGSIZE) == 'A', "grandchild: what a process stored that has ended is lost");
  check(load(p + 2 * PGSIZE) == 0, "grandchild: a page that nobody stored to is not zero");
  store(p + 2 * PGSIZE, 'B');
  tell();
  hear();   // the first process has unmapped the first two pages
  check(load(p) == 'P' && load(p + PGSIZE) == 'A', "grandchild: a page was lost when another process unmapped it");
  store(p + 3 * PGSIZE, 'B');
  tell();
  exit(0);
}

static void
threegenerations(void)
{
  char *p = mapanon(4 * PGSIZE, RDWR, ANONS);
  int status;

  store(p, 'P');
  if (child() == 0) {
    store(p + PGSIZE, 'A');
    if (fork() == 0)
      grandchild(p);
    exit(0);
  }
  check(wait(&status) > 0 && status == 0, "a child did not end well");
  tell();
  hear();
  check(load(p + PGSIZE) == 'A' && load(p + 2 * PGSIZE) == 'B', "what child and grandchild stored is not seen");
  unmap(p, 2 * PGSIZE);
  tell();
  hear();
  check(load(p + 3 * PGSIZE) == 'B', "what the grandchild stored is not seen after munmap of the head");
  unmap(p + 2 * PGSIZE, 2 * PGSIZE);
  close(in);
  close(out);
}

// A child has memory that its parent mapped and unmapped; what is mapped next is not that.
static void
lastowner(void)
{
  char *p = mapanon(3 * PGSIZE, RDWR, ANONS);

  store(p + PGSIZE, 'x');
  if (child() == 0) {
    hear();
    check(load(p + PGSIZE) == 'x' && load(p) == 0, "child: memory was lost when the parent unmapped it");
    store(p, 'y');
    check(load(p) == 'y', "child: a store was lost");
    exit(0);
  }
  unmap(p, 3 * PGSIZE);
  char *q = mapanon(3 * PGSIZE, RDWR, ANONS);
  tell();
  join(0, "a child with memory that its parent has unmapped did not end well");
  blank(q, 3 * PGSIZE, "new memory is what another process still has");
  unmap(q, 3 * PGSIZE);
}

// A child's own mapping is not its parent's, nor its sibling's.
static void
siblings(void)
{
  char *p = mapanon(PGSIZE, RDWR, ANONS);

  for (int i = 0; i < 3; i++)
    if (fork() == 0) {
      char *q = mapanon(PGSIZE, RDWR, ANONS);
      check(load(q) == 0, "a child's own memory is not zero at first");
      store(q, 'q');
      store(p + i, 'a' + i);
      exit(0);
    }
  for (int i = 0, status; i < 3; i++)
    check(wait(&status) > 0 && status == 0, "a child did not end well");
  check(load(p) == 'a' && load(p + 1) == 'b' && load(p + 2) == 'c', "what three children stored in one page is not all seen");
  unmap(p, PGSIZE);
}

static void
generations(void)
{
  threegenerations();
  lastowner();
  siblings();
}

// ---- parts: pages are counted from the memory's start, whatever a process has unmapped of it

static void
partsofshared(void)
{
  char *p = mapanon(8 * PGSIZE, RDWR, ANONS);

  if (child() == 0) {
    unmap(p, 2 * PGSIZE);
    unmap(p + 4 * PGSIZE, PGSIZE);
    for (int i = 2; i < 8; i++)
      if (i != 4)
        store(p + i * PGSIZE, 'a' + i);
    exit(0);
  }
  join(0, "a child that unmaps parts did not end well");
  for (int i = 0; i < 8; i++)
    check(load(p + i * PGSIZE) == (i < 2 || i == 4 ? 0 : 'a' + i), "a page has what a child stored in another, or not what it stored there");
  unmap(p + 3 * PGSIZE, 2 * PGSIZE);
  store(p + 2 * PGSIZE, 'x');
  if (child() == 0) {   // of a parent with two parts
    check(load(p + 2 * PGSIZE) == 'x' && load(p + 5 * PGSIZE) == 'f', "child: a part of shared memory has another page's content");
    store(p + 5 * PGSIZE, 'y');
    exit(0);
  }
  join(0, "a child with parts of shared memory did not end well");
  check(load(p + 5 * PGSIZE) == 'y' && load(p + 7 * PGSIZE) == 'h', "what a child stored in a part of shared memory is not seen");
  unmap(p, 8 * PGSIZE);
}

static void
partsofprivate(void)
{
  char *p = mapanon(6 * PGSIZE, RDWR, ANON);

  for (int i = 0; i < 6; i += 2)
    store(p + i * PGSIZE, 'a' + i);
  unmap(p + 2 * PGSIZE, PGSIZE);
  unmap(p + 5 * PGSIZE, PGSIZE);
  check(!readable(p + 2 * PGSIZE) && !readable(p + 5 * PGSIZE), "a page is there after its munmap");
  check(load(p) == 'a' && load(p + 4 * PGSIZE) == 'e' && load(p + 3 * PGSIZE) == 0, "a page suffered when another was unmapped");
  for (int i = 0; i < 20; i++) {   // whatever is put into the hole begins with zeroes
    char *q = mapanon(PGSIZE, RDWR, i % 2 ? ANON : ANONS);
    check(load(q + i) == 0, "a new mapping shows what an old one held");
    store(q + i, 'q');
    store(q + i + 1, 'q');
    unmap(q, PGSIZE);
  }
  if (child() == 0) {
    check(load(p) == 'a' && load(p + 4 * PGSIZE) == 'e' && load(p + 3 * PGSIZE) == 0, "child: a part of private memory is not as its parent's");
    store(p, 'c');
    exit(0);
  }
  join(0, "a child with parts of private memory did not end well");
  check(load(p) == 'a', "the parent sees what a child stored in private memory");
  unmap(p, 6 * PGSIZE);
}

static void
parts(void)
{
  partsofshared();
  partsofprivate();
}

// ---- zero: whatever page it is made of, memory begins with zeroes

static void
dirtymemory(void)
{
  int size = 300 * PGSIZE;
  char *p = sbrk(size);

  check(p != SBRK_ERROR, "sbrk");
  memset(p, 0xee, size);
  sbrk(-size);
}

static void
zero(void)
{
  for (int i = 0; i < 2; i++) {
    dirtymemory();
    char *p = mapanon(100 * PGSIZE, RDWR, i ? ANON : ANONS), *r = mapanon(20 * PGSIZE, PROT_READ, i ? ANON : ANONS);
    blank(r, 20 * PGSIZE, "read-only memory is not zero");
    for (int k = 0; k < 100; k += 2)   // a store first, or a load
      store(p + k * PGSIZE + 1000, 's');
    for (int k = 0; k < 100; k++) {
      blank(p + k * PGSIZE, 1000, "memory is not zero at first");
      blank(p + k * PGSIZE + 1001, PGSIZE - 1001, "memory is not zero at first, behind a store");
    }
    unmap(p, 100 * PGSIZE);
    unmap(r, 20 * PGSIZE);
  }
}

// ---- calls: system calls that use pages that were never touched, in both directions

static void
intopages(int flags)
{
  char *p = mapanon(4 * PGSIZE, RDWR, flags), *r = mapanon(PGSIZE, PROT_READ, flags), *n = mapanon(PGSIZE, PROT_NONE, flags);
  int fd = opened(FILE1, O_RDONLY), fds[2], status;

  check(read(fd, p + 50, 2 * PGSIZE) == 2 * PGSIZE, "read() into anonymous memory never touched");
  same(p + 50, want, 2 * PGSIZE, "read() into anonymous memory never touched");
  blank(p, 50, "read() stored before its buffer");
  blank(p + 2 * PGSIZE + 50, 1000, "read() stored behind its buffer");
  check(read(fd, r, 10) == -1 && load(r) == 0, "read() into read-only memory");
  check(read(fd, n, 10) == -1, "read() into memory with PROT_NONE");
  close(fd);

  check(pipe(fds) == 0 && write(fds[1], p + 3 * PGSIZE, 100) == 100, "write() from anonymous memory never touched");
  check(read(fds[0], p + 2 * PGSIZE + 200, 100) == 100, "read() of a pipe");
  blank(p + 2 * PGSIZE + 50, 500, "what write() took from memory never touched was not zeroes");
  check(write(fds[1], n, 1) == -1, "write() from memory with PROT_NONE");
  close(fds[0]);
  close(fds[1]);
  unmap(p, 4 * PGSIZE);

  p = mapanon(PGSIZE, RDWR, flags);
  int pid = fork();
  if (pid == 0)
    exit(42);
  check(wait((int *)(p + 8)) == pid && *(int *)(p + 8) == 42, "wait() into anonymous memory never touched");
  if (flags == ANONS) {   // what the kernel stores is shared as well
    status = fork();
    if (status == 0) {
      int file = opened(FILE1, O_RDONLY);
      check(read(file, p + 100, 100) == 100, "read() in a child");
      exit(0);
    }
    check(wait(&status) > 0 && status == 0, "a child did not end well");
    same(p + 100, want, 100, "what a child's read() stored in shared memory is not seen");
  }
  unmap(p, PGSIZE);
  unmap(r, PGSIZE);
  unmap(n, PGSIZE);
}

static void
calls(void)
{
  newfile(1, 3 * PGSIZE);
  intopages(ANON);
  intopages(ANONS);
}

// ---- large: memory of which little is touched costs little, wherever that is

static void
touchfew(char *p)
{
  for (int i = 0; i < 8; i++)
    store(p + i * (32 << 20) + i * PGSIZE, 'a' + i);
}

static void
large(void)
{
  for (int k = 0; k < 2; k++) {
    char *p = mapanon(256 << 20, RDWR, k ? ANON : ANONS);
    if (k)
      touchfew(p);
    if (child() == 0) {
      if (!k)
        touchfew(p);
      for (int i = 0; i < 8; i++)
        check(load(p + i * (32 << 20) + i * PGSIZE) == 'a' + i, "child: a page of large memory has something else");
      exit(0);
    }
    join(0, "a child with 256 MB of memory, of which little was touched, did not end well");
    for (int i = 0; i < 8; i++)
      check(load(p + i * (32 << 20) + i * PGSIZE) == 'a' + i, "a page of large memory has something else");
    unmap(p, 256 << 20);
  }
}

// ---- lost: everything comes back, however it was used

static void
storewithout(char *p)
{
  takeall();
  for (int i = 0; i < 40; i++)
    store(p + i * PGSIZE, 'x');
}

// As many at one time as the tests have, unmapped in another order than mapped.
static void
several(void)
{
  char *p[NMAP];

  for (int i = 0; i < NMAP; i++) {
    p[i] = mapanon((i + 2) * PGSIZE, RDWR, i % 3 ? ANONS : ANON);
    check(load(p[i] + PGSIZE) == 0, "memory is not zero at first");
    store(p[i], 'a' + i);
    store(p[i] + PGSIZE, 'a' + i);
  }
  if (child() == 0) {
    for (int i = 0; i < NMAP; i++)
      check(load(p[i] + PGSIZE) == 'a' + i, "child: memory is not as its parent's");
    for (int i = 0; i < NMAP; i += 2)
      unmap(p[i], PGSIZE);
    exit(0);
  }
  join(0, "a child with several mappings did not end well");
  for (int i = 0; i < NMAP; i++)
    unmap(p[i * 3 % NMAP], (i * 3 % NMAP + 2) * PGSIZE);
}

static void
lost(void)
{
  char *p = mapanon(40 * PGSIZE, RDWR, ANON), *q = mapanon(40 * PGSIZE, RDWR, ANONS);

  several();
  check(kills(storewithout, p) && kills(storewithout, q), "a store without memory for its page does not kill");
  unmap(q, 40 * PGSIZE);   // what the child could touch went with this
  q = mapanon(40 * PGSIZE, RDWR, ANONS);
  int before = freepages();
  for (int i = 0; i < MANY / 2; i++)
    several();
  check(freepages() > before - 20, "anonymous memory is lost");
  for (int i = 0; i < 3; i++) {
    kills(storewithout, p);
    unmap(q, 40 * PGSIZE);
    q = mapanon(40 * PGSIZE, RDWR, ANONS);
    kills(storewithout, q);
  }
  unmap(q, 40 * PGSIZE);
  unmap(p, 40 * PGSIZE);
  check(freepages() > before - 20, "pages are lost where a store found no memory");
}

static struct section all[] = {
  { "anon-generations", "anonymous memory of generations",    generations },
  { "anon-parts",       "parts of anonymous memory",          parts },
  { "anon-zero",        "zeroes of anonymous memory",         zero },
  { "anon-calls",       "system calls and anonymous memory",  calls },
  { "anon-large",       "large anonymous memory",             large },
  { "anon-frees",       "what anonymous memory gives back",   lost },
};

int
main(int argc, char *argv[])
{
  shrink();
  exit(sections(argc, argv, all, sizeof(all) / sizeof(all[0])));
}
