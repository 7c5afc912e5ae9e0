// utlib.c - steps that many tests of usertests take: children, pipes, files, patterns, memory.
#include "user/ut.h"

char buf[BUFSIZE];

void
equal(int got, int want, const char *what)
{
  expect(got == want, "%s: expected %d, got %d", what, want, got);
}

// fork, where it has to work.
int
child(void)
{
  int pid = fork();
  expect(pid >= 0, "fork: expected a process, got %d", pid);
  return pid;
}

// The next child to end is pid, with this status.
void
ends(int pid, int status)
{
  int seen = 0;
  equal(wait(&seen), pid, "the child that wait tells of");
  equal(seen, status, "a child's exit status");
}

// The next n children to end do so with status 0.
void
endall(int n)
{
  for (int i = 0; i < n; i++) {
    int seen = -1;
    expect(wait(&seen) > 0, "wait: expected %d more children, got none", n - i);
    equal(seen, 0, "a child's exit status");
  }
}

// The status of a child that runs this; 0 if it returns.
int
outcome(body run, long arg)
{
  int seen = 0;
  int pid = child();
  if (pid == 0) {
    run(arg);
    exit(0);
  }
  equal(wait(&seen), pid, "the child that wait tells of");
  return seen;
}

// The kernel kills a child that runs this.
void
dies(body run, long arg, const char *what)
{
  int status = outcome(run, arg);
  expect(status == -1, "%s %p: expected to be killed (status -1), got status %d", what, (void *)arg, status);
}

// n children run this at the same time, with 0 .. n-1; all of them end with status 0.
void
crowd(int n, body run)
{
  int gate[2];
  newpipe(gate);
  for (long i = 0; i < n; i++) {
    if (child() == 0) {
      close(gate[1]);
      read(gate[0], buf, 1);   // returns when the parent closes its end
      close(gate[0]);
      run(i);
      exit(0);
    }
  }
  close(gate[0]);
  close(gate[1]);
  endall(n);
}

// A process that is about to end, and has another parent, does end and is waited for.
void
gone(int pid)
{
  for (int ticks = 0; kill(pid) == 0; ticks++) {
    expect(ticks < 600, "process %d: expected its end, still there after a minute", pid);
    pause(1);
  }
}

void
newpipe(int ends[2])
{
  equal(pipe(ends), 0, "pipe");
}

int
mustopen(const char *name, int flags)
{
  int fd = open(name, flags);
  expect(fd >= 0, "open %s, flags 0x%x: expected a descriptor, got %d", name, flags, fd);
  return fd;
}

void
mustclose(int fd)
{
  equal(close(fd), 0, "close");
}

void
mustwrite(int fd, const void *from, int n)
{
  equal(write(fd, from, n), n, "write");
}

// Read until n bytes are there or no more come. Returns how many.
int
readfull(int fd, void *to, int n)
{
  int have = 0;
  for (int got = 1; have < n && got > 0; have += got) {
    got = read(fd, to + have, n - have);
    expect(got >= 0, "read of %d bytes: got %d", n - have, got);
  }
  return have;
}

// Byte i of the pattern that seed stands for.
static char
hue(int seed, int i)
{
  return seed * 37 + i + (i >> 8) * 11 + (i >> 16);
}

// Write bytes [from, from + n) of a pattern to memory.
void
paint(char *at, int n, int seed, int from)
{
  for (int i = 0; i < n; i++)
    at[i] = hue(seed, from + i);
}

// Memory holds bytes [from, from + n) of a pattern.
void
painted(const char *at, int n, int seed, int from, const char *what)
{
  for (int i = 0; i < n; i++) {
    char want = hue(seed, from + i);
    expect(at[i] == want, "%s: byte %d: expected 0x%x, got 0x%x", what, from + i, (uchar)want, (uchar)at[i]);
  }
}

// Make a file of n bytes of a pattern.
void
save(const char *name, int seed, int n)
{
  int fd = mustopen(name, O_CREATE | O_TRUNC | O_WRONLY);
  for (int at = 0, part; at < n; at += part) {
    part = n - at < BUFSIZE ? n - at : BUFSIZE;
    paint(buf, part, seed, at);
    mustwrite(fd, buf, part);
  }
  mustclose(fd);
}

// The file has n bytes, which are the pattern's.
void
saved(const char *name, int seed, int n)
{
  int fd = mustopen(name, O_RDONLY);
  for (int at = 0, part; at < n; at += part) {
    part = n - at < BUFSIZE ? n - at : BUFSIZE;
    equal(read(fd, buf, part), part, name);
    painted(buf, part, seed, at, name);
  }
  equal(read(fd, buf, 1), 0, "read at the end of a file");
  mustclose(fd);
}

int
exists(const char *name)
{
  struct stat st;
  return stat(name, &st) == 0;
}

struct stat
info(const char *name)
{
  struct stat st;
  int result = stat(name, &st);
  expect(result == 0, "stat %s: expected 0, got %d", name, result);
  return st;
}

// A short name with a number at its end. It stays until the next call but one.
char *
numbered(const char *stem, int i)
{
  static char names[2][16];
  static int turn;

  char *name = names[turn++ % 2];
  strcpy(name, stem);
  int digits = 1;
  for (int rest = i; rest >= 10; rest /= 10)
    digits++;
  char *end = name + strlen(name) + digits;
  for (*end = 0; digits > 0; digits--, i /= 10)
    *--end = '0' + i % 10;
  return name;
}

// Grow memory so that its end is the end of a page. Returns where that page begins.
char *
lastpage(void)
{
  uint64 top = (uint64)sbrk(0);
  char *page = sbrk(PGROUNDUP(top) - top + PGSIZE);
  expect(page != SBRK_ERROR, "sbrk of a page failed");
  return sbrk(0) - PGSIZE;
}

// Grow until no memory is left. Returns the number of pages.
int
eatmemory(void)
{
  int pages = 0;
  for (int step = 256; step > 0; step /= 2)
    while (sbrk(step * PGSIZE) != SBRK_ERROR)
      pages += step;
  return pages;
}

// The addresses, one for each i from 0 on, that no process can use; 0 after the last.
uint64
badaddr(int i)
{
  static const uint64 never[] = {
    UART0, KERNBASE, PHYSTOP - PGSIZE, TRAPFRAME, TRAMPOLINE, MAXVA - 4, MAXVA, MAXVA + PGSIZE,
    1UL << 39, 1UL << 63, -(uint64)PGSIZE, -4UL,
  };
  uint64 local = (uint64)&i;

  if (i == 0)
    return PGROUNDDOWN(local) - PGSIZE;     // the guard page under the stack
  if (i == 1)
    return PGROUNDUP((uint64)sbrk(0));      // past the heap
  return i - 2 < COUNT(never) ? never[i - 2] : 0;
}

// A number that looks random; the same sequence for the same start, which is not 0 (Marsaglia's xorshift).
uint
rnd(uint *state)
{
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}
