// grind.c - two processes make system calls at random, on the same few names, to find what testing in order does not.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "user/user.h"

#define HOME     "/grinddir"
#define CHILDREN 2
#define ROUND    500   // system calls of each child between two reports to the parent

static int me;          // which child this is
static uint64 seed;

// xorshift64* (Marsaglia; Vigna). Returns a number in 0 ... n-1.
static uint
chance(uint n)
{
  seed ^= seed >> 12;
  seed ^= seed << 25;
  seed ^= seed >> 27;
  return (seed * 2685821657736338717UL >> 32) % n;
}

static void
check(int ok, const char *what)
{
  if (!ok) {
    printf("grind: child %d: %s\n", me, what);
    exit(1);
  }
}

// The names that the children quarrel over. Some are in directories that come and go.
static const char *
anyname(void)
{
  static const char *const names[] = {
    "x", "y", "dir", "dir/x", "dir/y", "dir/dir", "dir/dir/x", "./dir/../x", "dir/.", "dir/..", ".", HOME "/y",
  };

  return names[chance(sizeof(names) / sizeof(names[0]))];
}

static void
dofile(void)
{
  static char bytes[3000];
  int fd = open(anyname(), chance(3) | (chance(2) ? O_CREATE : 0) | (chance(4) ? 0 : O_TRUNC));

  if (fd < 0)
    return;
  for (int i = chance(4); i > 0; i--) {
    int n = chance(sizeof(bytes));
    if (chance(2))
      check(write(fd, bytes, n) <= n, "write gave more than it was asked for");
    else
      check(read(fd, bytes, n) <= n, "read gave more than it was asked for");
  }
  check(close(fd) == 0, "close of an open file");
  check(close(fd) == -1, "close of a closed file");
}

static void
donames(void)
{
  struct stat st;

  switch (chance(4)) {
  case 0: link(anyname(), anyname()); break;
  case 1: unlink(anyname()); break;
  case 2: mkdir(anyname()); break;
  case 3: stat(anyname(), &st); break;
  }
}

// Into a directory that may lose its name meanwhile, and home.
static void
dochdir(void)
{
  if (chdir(anyname()) == 0) {
    donames();
    dofile();
    check(chdir(HOME) == 0, "chdir to " HOME);
  }
}

// A file of the child's own holds what was written to it, whatever goes on around it.
static void
doownfile(void)
{
  static uint64 wrote[400], got[400];
  char name[] = "own0";

  name[3] += me;
  int fd = open(name, O_CREATE | O_RDWR | O_TRUNC);
  if (fd < 0)
    return;   // the disk is full
  for (int i = 0; i < 400; i++)
    wrote[i] = seed + i;
  int n = write(fd, wrote, sizeof(wrote));
  close(fd);
  fd = open(name, O_RDONLY);
  check(fd >= 0, "open of a file just written");
  if (n > 0) {
    check(read(fd, got, sizeof(got)) == n, "size of a file just written");
    check(memcmp(got, wrote, n) == 0, "content of a file just written");
  }
  close(fd);
  unlink(name);
}

static void
domemory(void)
{
  int bytes = 1 + chance(20 * 4096);
  char *p = chance(2) ? sbrk(bytes) : sbrklazy(bytes);

  if (p == SBRK_ERROR)
    return;
  for (int i = 0; i < bytes; i += 1 + chance(4096))
    p[i] = i;
  p[bytes - 1] = 7;
  if (chance(2)) {
    int pid = fork();
    if (pid == 0) {
      p[bytes - 1] = 8;
      exit(0);
    }
    if (pid > 0)
      wait(0);
  }
  check(p[bytes - 1] == 7, "memory after a child wrote to its copy");
  check(sbrk(-bytes) == p + bytes, "sbrk to a smaller size");
}

static void
dopipe(void)
{
  int ends[2];
  char bytes[600];
  int total = chance(sizeof(bytes));

  if (pipe(ends) < 0)
    return;
  int pid = fork();
  if (pid == 0) {
    close(ends[0]);
    for (int i = 0; i < total; i++)
      bytes[i] = me + i;
    exit(write(ends[1], bytes, total) != total);
  }
  close(ends[1]);
  if (pid > 0) {
    int got = 0, n;
    while ((n = read(ends[0], bytes + got, sizeof(bytes) - got)) > 0)
      got += n;
    check(n == 0 && got == total, "number of bytes through a pipe");
    for (int i = 0; i < got; i++)
      check(bytes[i] == (char)(me + i), "bytes through a pipe");
    wait(0);
  }
  close(ends[0]);
}

// echo into a pipe.
static void
doexec(void)
{
  static char *argv[] = { "/echo", "through", "the", "mill", 0 };
  char line[40] = "";
  int ends[2];

  if (pipe(ends) < 0)
    return;
  int pid = fork();
  if (pid == 0) {
    close(1);
    dup(ends[1]);
    close(ends[0]);
    close(ends[1]);
    exec(argv[0], argv);
    exit(0);   // out of memory: nothing comes
  }
  close(ends[1]);
  if (pid > 0) {
    int n = read(ends[0], line, sizeof(line) - 1);
    check(n == 0 || strcmp(line, "through the mill\n") == 0, "what echo printed");
    wait(0);
  }
  close(ends[0]);
}

// A child that is killed, asleep or busy.
static void
dokill(void)
{
  int status;
  int pid = fork();

  if (pid < 0)
    return;
  if (pid == 0) {
    if (chance(2))
      pause(1000);
    for (;;)
      getpid();
  }
  if (chance(2))
    pause(0);
  check(kill(pid) == 0, "kill of a child");
  check(wait(&status) == pid && status == -1, "status of a killed child");
}

// Nothing good can come of these; -1 has to.
static void
dobad(void)
{
  check(write(1 + chance(2) * 40, (char *)0x3fffffe000 + chance(3) * 4096, 10) == -1, "write from the kernel's memory");
  check(exec("/echo", (char **)0x3fffffff00) == -1, "exec with arguments from the kernel's memory");
  check(open((char *)-1UL, O_RDONLY) == -1, "open of a name at no address");
  check(pipe((int *)-4UL) == -1, "pipe at no address");
  check(kill(-1) == -1, "kill of process -1");
  check(dup(16 + chance(1000)) == -1, "dup of a number too large");
}

static void (*const acts[])(void) = {
  dofile, dofile, donames, donames, donames, dochdir, doownfile, domemory, dopipe, doexec, dokill, dobad,
};

static void
child(void)
{
  check(chdir(HOME) == 0, "chdir to " HOME);
  close(0);
  for (int i = 0; i < ROUND; i++)
    acts[chance(sizeof(acts) / sizeof(acts[0]))]();
  check(wait(0) == -1, "a child that nobody made");
  exit(0);
}

// One round. Returns 0 if every child ended well.
static int
round(int number)
{
  int failed = 0;
  int status;

  for (me = 0; me < CHILDREN; me++) {
    int pid = fork();
    seed = 1 + number * CHILDREN + me;
    if (pid == 0)
      child();
    failed |= (pid < 0);
  }
  while (wait(&status) > 0)
    failed |= (status != 0);
  return failed;
}

// grind N makes N rounds; grind alone goes on until a round fails.
int
main(int argc, char *argv[])
{
  int rounds = argc > 1 ? atoi(argv[1]) : 0;

  mkdir(HOME);
  for (int i = 0; argc == 1 || i < rounds; i++) {
    if (round(i) != 0) {
      printf("grind: FAILED in round %d\n", i);
      return 1;
    }
  }
  printf("grind: OK\n");
  return 0;
}
