// ut_limit.c - tests of usertests: the system when something has run out, and afterwards.
#include "user/ut.h"

// With no page left, calls that need one fail, and those that need none work. Then all is as before.
static void
memory_eager(void)
{
  int end[2];
  save("f", 1, 3000);
  for (int round = 0; round < 2; round++) {
    int pages = eatmemory();
    int pipes = 0;
    for (; pipe(end) == 0; pipes++)
      expect(pipes < 3, "memory has run out, and yet there is some for %d pipes", pipes + 1);
    equal(fork(), -1, "fork without memory");
    saved("f", 1, 3000);
    save("g", 2, 2000);
    saved("g", 2, 2000);

    expect(sbrk(-pages * PGSIZE) != SBRK_ERROR, "sbrk back failed");
    for (; pipes > 0; pipes--, end[0] -= 2) {
      mustclose(end[0]);
      mustclose(end[0] + 1);
    }
    newpipe(end);
    mustclose(end[0]);
    mustclose(end[1]);
    int pid = child();
    if (pid == 0)
      exit(0);
    ends(pid, 0);
  }
}

// Use more memory than there is, the last of it lazy.
static void
overuse(long lazypages)
{
  eatmemory();
  sbrk(-lazypages * PGSIZE);
  char *heap = sbrklazy(2 * lazypages * PGSIZE);
  for (long i = 0; i < 2 * lazypages; i++)
    *(long *)(heap + i * PGSIZE) = i;
  for (long i = 0; i < 2 * lazypages; i++)
    expect(*(long *)(heap + i * PGSIZE) == i, "lazy page %ld does not keep what it holds", i);
}

// Lazy memory that runs out when it is touched: that process is killed, no other.
static void
memory_lazy(void)
{
  char *mine = lastpage();
  paint(mine, PGSIZE, 1, 0);
  for (int lazypages = 1; lazypages < 2000; lazypages *= 10)
    dies(overuse, lazypages, "use of more memory than there is, pages:");
  painted(mine, PGSIZE, 1, 0, "memory of the parent");
}

static void
overuseagain(long who)
{
  for (int i = 0; i < 3; i++) {
    int status = outcome(overuse, 1000 * (who + 1));
    expect(status == 0 || status == -1, "use of more memory than there may be: status %d, neither killed nor fine", status);
  }
}

// Several processes at once take what there is. Who gets it and who is killed is chance.
static void
memory_race(void)
{
  crowd(3, overuseagain);
}

// A system call that needs a page for its result fails, and the process lives.
static void
memory_for_results(void)
{
  save("f", 1, 3000);
  int fd = mustopen("f", O_RDWR);
  eatmemory();
  char *lazy = sbrklazy(4 * PGSIZE);
  expect(lazy != SBRK_ERROR, "sbrklazy failed");
  equal(read(fd, lazy + PGSIZE, 100), -1, "read to a page that can't be had");
  equal(write(fd, lazy + PGSIZE, 100), -1, "write from a page that can't be had");
  equal(fstat(fd, (struct stat *)(lazy + PGSIZE)), -1, "fstat to a page that can't be had");
  equal(open(lazy + PGSIZE, O_RDONLY), -1, "open of a path in a page that can't be had");
  saved("f", 1, 3000);
}

// Take all memory, then let go one page at each byte from ask, and answer.
static void
hog(int ask, int told)
{
  char c;
  eatmemory();
  do {
    mustwrite(told, "x", 1);
  } while (read(ask, &c, 1) == 1 && sbrk(-PGSIZE) != SBRK_ERROR);
}

// fork with 0, 1, 2, ... free pages, until it works: it fails at every point where it can.
static void
memory_fork(void)
{
  int ask[2], told[2], pid, failures = 0;
  newpipe(ask);
  newpipe(told);
  int hogpid = child();
  if (hogpid == 0) {
    close(ask[1]);
    hog(ask[0], told[1]);
    exit(0);
  }
  for (;;) {
    equal(read(told[0], buf, 1), 1, "read of the answer");
    if ((pid = fork()) == 0)
      exit(0);
    if (pid > 0)
      break;
    expect(++failures < 300, "fork fails with %d pages free", failures);
    mustwrite(ask[1], "x", 1);
  }
  ends(pid, 0);
  expect(failures > 0, "fork works with no page free");
  close(ask[1]);
  ends(hogpid, 0);
}

// The same for exec.
static void
memory_exec(void)
{
  char *argv[] = {"/echo", "made it", 0};
  int pid = child();
  if (pid == 0) {
    int fd = mustopen("out", O_CREATE | O_RDWR);
    close(1);
    dup(fd);
    eatmemory();
    for (int failures = 0; failures < 300; failures++) {
      exec("/echo", argv);
      sbrk(-PGSIZE);
    }
    exit(99);
  }
  ends(pid, 0);
  equal(info("out").size, 8, "size of the output");
}

// Processes until there are no more; each time the same number.
static void
processes(void)
{
  int first = 0;
  for (int round = 0; round < 3; round++) {
    int gate[2], n = 0, pid;
    newpipe(gate);
    while ((pid = fork()) > 0)
      n++;
    if (pid == 0) {
      close(gate[1]);
      read(gate[0], buf, 1);
      exit(0);
    }
    expect(n > NPROC / 2 && n < NPROC, "fork made %d processes", n);
    if (round == 0)
      first = n;
    equal(n, first, "processes, compared with the first time");
    close(gate[0]);
    close(gate[1]);
    endall(n);
    equal(wait(0), -1, "wait when all have ended");
  }
}

static void
descriptors(void)
{
  int end[2], fd, last = 0, first = mustopen("f", O_CREATE | O_RDWR);
  for (int round = 0; round < 3; round++) {
    while ((fd = open("f", O_RDWR)) >= 0)
      last = fd;
    equal(last, NOFILE - 1, "last descriptor");
    equal(dup(first), -1, "dup without a descriptor");
    equal(pipe(end), -1, "pipe without a descriptor");
    equal(open("new", O_CREATE | O_RDWR), -1, "open of a new file without a descriptor");
    mustclose(last);
    equal(pipe(end), -1, "pipe with one descriptor");
    equal(dup(first), last, "dup into the last descriptor");
    for (fd = first + 1; fd < NOFILE; fd++)
      mustclose(fd);
  }
}

enum { HOLDERS = 14, EACH = 8 };   // more files than the system can have open, fewer than a process can

// Children open files, one and the same or each its own, until the system has no more, and hold
// them until the gate's writers have gone. Returns how many are open then.
static int
holdfiles(int gate[2], int own)
{
  int report[2], count, total = 0;
  newpipe(report);
  for (int i = 0; i < HOLDERS; i++) {
    if (child() == 0) {
      close(gate[1]);
      count = 0;
      while (count < EACH && open(own ? numbered("h", i * EACH + count) : "f", O_CREATE | O_RDWR) >= 0)
        count++;
      mustwrite(report[1], &count, sizeof(count));
      read(gate[0], buf, 1);
      exit(0);
    }
  }
  for (int i = 0; i < HOLDERS; i++) {
    equal(readfull(report[0], &count, sizeof(count)), sizeof(count), "bytes from a child");
    total += count;
  }
  mustclose(report[0]);
  mustclose(report[1]);
  return total;
}

// Open files until the whole system has no more.
static void
open_files(void)
{
  int first = 0;
  for (int round = 0; round < 3; round++) {
    int gate[2], end[2];
    newpipe(gate);
    int n = holdfiles(gate, 0);
    expect(n > NFILE / 2 && n < NFILE, "%d files were open at a time", n);
    if (round == 0)
      first = n;
    equal(n, first, "open files, compared with the first time");
    equal(open("f", O_RDONLY), -1, "open when the system has no more files");
    equal(pipe(end), -1, "pipe when the system has no more files");
    mustclose(gate[0]);
    mustclose(gate[1]);
    endall(HOLDERS);
  }
}

// Use more different files than the system has inodes in memory. What fails then costs none on the disk.
static void
open_inodes(void)
{
  int gate[2], names = 0;
  newpipe(gate);
  int n = holdfiles(gate, 1);
  expect(n > NINODE / 2 && n < NINODE, "%d different files were open at a time", n);
  for (int i = 0; i < 150; i++) {
    equal(open("new", O_CREATE | O_RDWR), -1, "open of a new file without an inode in memory");
    equal(mkdir("d"), -1, "mkdir without an inode in memory");
  }
  equal(chdir("/.."), 0, "chdir to /, which is in memory");
  equal(chdir(ROOM), 0, "chdir to a directory that is in memory");
  mustclose(gate[0]);
  mustclose(gate[1]);
  endall(HOLDERS);

  for (int i = 0; i < HOLDERS * EACH; i++)
    names += exists(numbered("h", i));
  equal(names, n, "files, compared with those that were opened");
  equal(exists("new") + exists("d"), 0, "existence of files that could not be made");
  for (int i = 0; i < 40; i++)
    save(numbered("n", i), i, 1);
}

// Files until the disk has no inode left; each time the same number.
static void
inodes(void)
{
  int first = 0;
  for (int round = 0; round < 2; round++) {
    int n = 0, fd;
    for (; (fd = open(numbered("i", n), O_CREATE | O_RDWR)) >= 0; n++)
      mustclose(fd);
    expect(n > 50, "only %d files could be made", n);
    if (round == 0)
      first = n;
    equal(n, first, "files, compared with the first time");
    int links = info(".").nlink;
    equal(mkdir("d"), -1, "mkdir without an inode");
    equal(mknod("d", 1, 1), -1, "mknod without an inode");
    equal(exists("d"), 0, "existence of what could not be made");
    equal(info(".").nlink, links, "links of the directory");
    save("i0", 1, 3000);
    saved("i0", 1, 3000);
    equal(link("i0", "l"), 0, "link, which needs no inode");
    equal(unlink("l"), 0, "unlink");
    for (int i = 0; i < n; i++)
      equal(unlink(numbered("i", i)), 0, "unlink");
  }
}

// Write files until the disk is full. Returns how many blocks of data they have.
static int
filldisk(const char *stem)
{
  int blocks = 0;
  for (int i = 0, full = 0; !full; i++) {
    char *name = numbered(stem, i);
    int fd = mustopen(name, O_CREATE | O_TRUNC | O_WRONLY);
    for (int part = BUFSIZE; part >= BSIZE; part /= 2)
      while (write(fd, buf, part) == part)
        ;
    int size = info(name).size;
    full = size < MAXFILE * BSIZE;
    blocks += (size + BSIZE - 1) / BSIZE;
    mustclose(fd);
  }
  return blocks;
}

static void
emptydisk(const char *stem)
{
  for (int i = 0; unlink(numbered(stem, i)) == 0; i++)
    ;
}

// Blocks until the disk has none left; each time the same number. What fails meanwhile costs no inode.
static void
blocks(void)
{
  int first = 0;
  save("before", 1, 5000);
  for (int round = 0; round < 2; round++) {
    int n = filldisk("b");
    expect(n > 100, "only %d blocks could be written", n);
    if (round == 0)
      first = n;
    equal(n, first, "blocks, compared with the first time");
    int links = info(".").nlink;
    for (int i = 0; i < 120; i++)
      equal(mkdir("d"), -1, "mkdir without a block");
    equal(exists("d"), 0, "existence of a directory that could not be made");
    equal(info(".").nlink, links, "links of the directory");
    int fd = mustopen("before", O_RDWR);
    equal(readfull(fd, buf, 5000), 5000, "bytes of an older file");
    equal(write(fd, buf, 2 * BSIZE), -1, "write without a block");
    mustclose(fd);
    save("before", 1, 5000);
    emptydisk("b");
    for (int i = 0; i < 50; i++)
      save(numbered("n", i), i, 1);
    for (int i = 0; i < 50; i++)
      equal(unlink(numbered("n", i)), 0, "unlink");
  }
  saved("before", 1, 5000);
}

// One block is left where two are needed: for data, and for the table of a file's further blocks.
// The failure gives back what it took.
static void
last_block(void)
{
  save("direct", 1, NDIRECT * BSIZE);
  save("one", 2, BSIZE);
  int fd = mustopen("direct", O_RDWR);
  equal(readfull(fd, buf, BUFSIZE) + readfull(fd, buf, BUFSIZE), NDIRECT * BSIZE, "size of a file");
  filldisk("b");
  for (int i = 0; i < 5; i++) {
    equal(unlink("one"), 0, "unlink");
    equal(write(fd, buf, BSIZE), -1, "write that needs two blocks, where there is one");
    save("one", i, BSIZE);
    saved("one", i, BSIZE);
  }
  saved("direct", 1, NDIRECT * BSIZE);
  emptydisk("b");
  mustwrite(fd, buf, BSIZE);
}

static void
fillandempty(long who)
{
  char stem[] = "a0";
  stem[0] += who;
  filldisk(stem);
  emptydisk(stem);
}

// Several processes fill the disk at once, and find it full at different moments.
static void
blocks_race(void)
{
  int n = filldisk("z");
  emptydisk("z");
  crowd(3, fillandempty);
  equal(filldisk("z"), n, "blocks, compared with the first time");
}

struct test limit_tests[] = {
  QUICK(memory_eager),
  QUICK(memory_lazy),
  SLOW(memory_race),
  QUICK(memory_for_results),
  QUICK(memory_fork),
  QUICK(memory_exec),
  QUICK(processes),
  QUICK(descriptors),
  QUICK(open_files),
  QUICK(open_inodes),
  QUICK(inodes),
  QUICK(blocks),
  QUICK(last_block),
  SLOW(blocks_race),
  END_OF_TESTS
};
