// hid.c - what the hidden tests share: checks, files, mappings, children, and counts of what is free.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"
#include "hid.h"

char want[BIG * PGSIZE];
char *self;
int in, out;

// ---- sections

static void
run(struct section *s)
{
  printf("test %s\n", s->title);
  s->run();
  unlink(FILE1);
  unlink(FILE2);
  printf("test %s: OK\n", s->title);
}

// Run the sections that are named, or all n of them; returns what main has to return.
int
sections(int argc, char *argv[], struct section *s, int n)
{
  int done = 0;

  for (int i = 0; i < n; i++)
    for (int k = 1; k == 1 || k < argc; k++)
      if (argc == 1 || strcmp(argv[k], s[i].name) == 0) {
        run(&s[i]);
        done++;
      }
  if (argc > 1 && done != argc - 1) {
    printf("hidden failure: not every argument is a section, pid=%d\n", getpid());
    return 1;
  }
  return 0;
}

// ---- checks

void
fail(char *what)
{
  printf("hidden failure: %s, pid=%d\n", what, getpid());
  exit(1);
}

void
check(int ok, char *what)
{
  if (!ok)
    fail(what);
}

// The n bytes at p are these.
void
same(char *p, char *bytes, int n, char *what)
{
  for (int i = 0; i < n; i++)
    if (p[i] != bytes[i]) {
      printf("hidden failure: %s: byte %d is 0x%x, not 0x%x, pid=%d\n", what, i, (uchar)p[i], (uchar)bytes[i], getpid());
      exit(1);
    }
}

// The n bytes at p are zero.
void
blank(char *p, int n, char *what)
{
  for (int i = 0; i < n; i++)
    if (p[i] != 0)
      fail(what);
}

// ---- files

// n bytes, none of them zero, that tell one seed and one page from another.
void
fill(char *buf, int seed, int n)
{
  for (int i = 0; i < n; i++)
    buf[i] = 1 + (seed * 37 + i + i / PGSIZE * 3) % 253;
}

int
opened(char *name, int flags)
{
  int fd = open(name, flags);

  check(fd >= 0, "open");
  return fd;
}

// Make a file of these n bytes.
void
save(char *name, char *bytes, int n)
{
  int fd = opened(name, O_CREATE | O_TRUNC | O_RDWR);

  check(write(fd, bytes, n) == n, "write");
  close(fd);
}

// FILE1 gets n bytes made from seed, and so does want, with zeroes behind them.
void
newfile(int seed, int n)
{
  memset(want, 0, sizeof(want));
  fill(want, seed, n);
  save(FILE1, want, n);
}

// The file is these n bytes, and not longer. They are read in pieces that go from one page into the next.
void
holds(char *name, char *bytes, int n, char *what)
{
  static char block[PGSIZE];
  struct stat st;

  check(stat(name, &st) == 0 && st.size == n, what);
  int fd = opened(name, O_RDONLY);
  for (int done = 0, step; done < n; done += step) {
    step = done > 0 ? PGSIZE : 1024;
    if (step > n - done)
      step = n - done;
    check(read(fd, block, step) == step, what);
    same(block, bytes + done, step, what);
  }
  close(fd);
}

// ---- mappings

// A new mapping, where it may be.
char *
map(char *what, int fd, long offset, uint64 len, int prot, int flags)
{
  char *p = mmap(0, len, prot, flags, fd, offset);

  check(p != FAILED, what);
  return p;
}

// The file's first len bytes, through a file that is closed at once.
char *
mapfile(char *name, int len, int prot, int flags)
{
  int fd = opened(name, O_RDWR);
  char *p = map("mmap", fd, 0, len, prot, flags);

  close(fd);
  return p;
}

// len bytes of anonymous memory, where it may be.
char *
mapanon(uint64 len, int prot, int flags)
{
  return map("mmap of anonymous memory", -1, 0, len, prot, flags);
}

// mmap must not accept this.
void
refused(char *what, int fd, long offset, uint64 len, int prot, int flags)
{
  check(mmap(0, len, prot, flags, fd, offset) == FAILED, what);
}

void
unmap(char *p, uint64 len)
{
  check(munmap(p, len) == 0, "munmap");
}

// Can a system call read the byte at p? If not, it fails, where a load would end the process.
int
readable(char *p)
{
  int fds[2];

  check(pipe(fds) == 0, "pipe");
  int n = write(fds[1], p, 1);
  close(fds[0]);
  close(fds[1]);
  return n == 1;
}

// One load, now.
int
load(char *p)
{
  return *(volatile char *)p;
}

// One store, now.
void
store(char *p, char c)
{
  *(volatile char *)p = c;
}

// ---- children

// fork, with pipes in both directions. The side that ends leaves the other an end of file.
int
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

void
tell(void)
{
  write(out, "!", 1);
}

// Wait until the other side tells. If it has ended instead, end too.
void
hear(void)
{
  char c;
  int status;

  if (read(in, &c, 1) == 1)
    return;
  if (wait(&status) < 0 || status == 1)
    exit(1);   // whoever failed has said why
  fail("the child ended early");
}

// Wait for the child to end with this status, -1 if it is killed.
void
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

// Call f in a child, which has to end with this status.
void
alone(void (*f)(void), int expected, char *what)
{
  if (child() == 0) {
    f();
    exit(0);
  }
  join(expected, what);
}

// A child that calls f is killed there.
void
killed(void (*f)(void), char *what)
{
  if (child() == 0) {
    f();
    fail(what);
  }
  join(-1, what);
}

// Is a child killed that calls f(p)? If not, it must come back from there.
int
kills(void (*f)(char *), char *p)
{
  int status;

  if (child() == 0) {
    f(p);
    exit(0);
  }
  close(out);
  check(wait(&status) > 0, "wait");
  close(in);
  if (status == 1)
    exit(1);   // the child has said why
  return status == -1;
}

static void
loadat(char *p)
{
  load(p);
}

static void
storeat(char *p)
{
  store(p, 'K');
}

int
loadkills(char *p)
{
  return kills(loadat, p);
}

int
storekills(char *p)
{
  return kills(storeat, p);
}

// ---- what is free

// Take all memory there is; returns how many pages that were.
int
takeall(void)
{
  int n = 0;

  for (int step = 256; step > 0; step /= 16)
    while (sbrk(step * PGSIZE) != SBRK_ERROR)
      n += step;
  return n;
}

// Have a process take something and keep it until this program has ended. It is a child's child, so that no wait() finds it.
static void
ballast(void (*take)(void))
{
  int end[2];
  char c;

  check(pipe(end) == 0, "pipe");
  if (child() == 0) {
    if (fork() == 0) {
      close(end[1]);
      take();
      tell();
      close(in);
      close(out);
      exit(read(end[0], &c, 1));   // an end of file, when nobody can write there any more
    }
    exit(0);
  }
  hear();
  join(0, "a child did not end well");
  close(end[0]);
}

static void
takepages(void)
{
  takeall();
  sbrk(-SPARE * PGSIZE);
}

// Have all memory but SPARE pages held: what is left is taken and counted fast.
void
shrink(void)
{
  ballast(takepages);
}

// Files without a name, so that whoever holds them takes them with it; as many as a process can have open: a disk that is larger
// than usual is not filled. The first one's blocks are given back.
static void
takeblocks(void)
{
  int first = -1, fd, n = sizeof(want);

  while (n == sizeof(want) && (fd = open(FILE2, O_CREATE | O_RDWR)) >= 0) {
    n = write(fd, want, sizeof(want));
    check(unlink(FILE2) == 0, "unlink");
    if (first < 0)
      first = fd;
  }
  close(first);
}

// Have all blocks of the disk held but some more than want has.
void
shrinkdisk(void)
{
  ballast(takeblocks);
}

// How many pages a process can get.
int
freepages(void)
{
  int n = 0;

  if (child() == 0) {
    n = takeall();
    write(out, &n, sizeof(n));
    exit(0);
  }
  check(read(in, &n, sizeof(n)) == sizeof(n), "a child that takes all memory did not end well");
  join(0, "a child that takes all memory did not end well");
  return n;
}

// How many mappings that don't merge there is room for in the table; found in len bytes from p on, which are left free.
int
room(char *p, int len)
{
  int n = 0;

  for (char *at = p; at < p + len && mmap(at, PGSIZE, RDWR, ANON | MAP_FIXED, -1, 0) == at; at += 2 * PGSIZE)
    n++;
  unmap(p, len);
  return n;
}

// How many blocks files can get.
int
freeblocks(void)
{
  char name[] = "hid.free.0";
  struct stat st = { .size = 1 };
  int n = 0;

  for (; st.size > 0; name[9]++) {
    int fd = opened(name, O_CREATE | O_TRUNC | O_RDWR);
    write(fd, want, sizeof(want));   // as much of it as there is room for
    check(fstat(fd, &st) == 0, "fstat");
    n += st.size / 1024;
    close(fd);
  }
  while (name[9]-- > '0')
    unlink(name);
  return n;
}
