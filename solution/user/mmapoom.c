// mmapoom.c - has the first allocation fail, then the second, ...; after each, nothing may be lost and all must work.
//
// Needs a kernel that was made with FAILALLOC=1.
#include "user/extlib.h"
#include "kernel/param.h"
#include "kernel/spinlock.h"
#include "kernel/sleeplock.h"
#include "kernel/fs.h"
#include "kernel/file.h"

#define NPAGE 6

static int device;     // FAIL

static void
must(int ok, char *what, int n)
{
  if (ok)
    return;
  printf("mmapoom failure: %s, at allocation %d, pid=%d\n", what, n, getpid());
  exit(1);
}

// The n-th allocation from now on is to fail; 0: none.
static void
arm(int n)
{
  must(write(device, &n, sizeof(n)) == sizeof(n), "write to the device", n);
}

// Did it fail?
static int
failed(void)
{
  int left;

  must(read(device, &left, sizeof(left)) == sizeof(left), "read from the device", 0);
  return left == 0;
}

// Everything that allocates. A call may fail, and the process may be killed.
static void
work(void)
{
  static char text[NPAGE * PGSIZE];
  int fd = open("oom", O_RDWR), status;
  char *shared = mmap(0, sizeof(text), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char *private = mmap(0, sizeof(text), PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  char *anon = mmap(0, sizeof(text), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

  if (shared == (void *)-1 || private == (void *)-1 || anon == (void *)-1)
    exit(1);
  for (int i = 0; i < NPAGE; i++) {
    text[i * PGSIZE] = shared[i * PGSIZE];
    private[i * PGSIZE] = i;
    anon[i * PGSIZE] = i;
    shared[i * PGSIZE] = 'a' + i;
  }
  int pid = fork();
  if (pid == 0) {
    private[0]++;
    anon[1]++;
    shared[2 * PGSIZE + 1] = 'c';
    char *argv[] = { "echo", 0 };
    exec("echo", argv);
    exit(1);
  }
  if (pid > 0)
    wait(&status);
  mprotect(private + PGSIZE, PGSIZE, PROT_READ);
  munmap(shared + PGSIZE, PGSIZE);
  read(fd, private + 3 * PGSIZE, 2 * PGSIZE);
  write(fd, anon, 100);
  sbrk(3 * PGSIZE);
  msync(shared, PGSIZE);
  exit(0);
}

int
main(int argc, char *argv[])
{
  static char zeroes[NPAGE * PGSIZE];
  int file = open("oom", O_CREATE | O_RDWR | O_TRUNC), status = 0, n;

  mknod("fail", FAIL, 0);
  device = open("fail", O_RDWR);
  must(file >= 0 && write(file, zeroes, sizeof(zeroes)) == sizeof(zeroes), "making a file", 0);
  arm(0);
  int pages = freepages();

  for (n = 1; n < 2000; n++) {
    int pid = fork();
    must(pid >= 0, "fork", n);
    if (pid == 0) {
      arm(n);
      work();
    }
    must(wait(&status) == pid, "wait", n);
    int done = !failed();
    arm(0);
    must(status == 0 || status == 1 || status == -1, "status of the process", n);
    must(freepages() == pages, "pages were lost", n);
    if (done)
      break;
  }
  must(status == 0, "the process fails though no allocation did", n);
  printf("%d allocations failed, one in each run\ntest mmapoom: OK\n", n - 1);
  exit(0);
}
