// ut_pipe.c - tests of usertests: pipes.
#include "user/ut.h"

static int end[2];    // the pipe of a test: read end, write end
static int other[2];

static void
pipe_ends(void)
{
  newpipe(end);
  mustwrite(end[1], "last words", 10);
  mustclose(end[1]);
  equal(read(end[0], buf, 4), 4, "read of a part");
  equal(read(end[0], buf, 100), 6, "read of the rest, with no writer");
  equal(read(end[0], buf, 100), 0, "read at the end");
  equal(read(end[0], buf, 100), 0, "read at the end, again");
  mustclose(end[0]);

  newpipe(end);
  mustclose(end[0]);
  equal(write(end[1], "x", 1), -1, "write with no reader");
  equal(write(end[1], buf, BUFSIZE), -1, "write of much with no reader");
  mustclose(end[1]);
}

// read takes what is there, and waits only if that is nothing.
static void
pipe_partial(void)
{
  newpipe(end);
  for (int size = 1; size < 300; size += 7) {
    paint(buf, size, size, 0);
    mustwrite(end[1], buf, size);
    memset(buf, 0, size);
    int first = read(end[0], buf, size / 2 + 1);
    equal(first, size / 2 + 1, "read of less than there is");
    if (first < size)
      equal(read(end[0], buf + first, BUFSIZE - first), size - first, "read of more than there is");
    painted(buf, size, size, 0, "pipe");
  }
}

#define BULK 1000000

static void
feed(int fd, int seed)
{
  uint state = 7;
  for (int at = 0, part; at < BULK; at += part) {
    part = 1 + rnd(&state) % 3000;
    if (part > BULK - at)
      part = BULK - at;
    paint(buf, part, seed, at);
    mustwrite(fd, buf, part);
  }
}

// A megabyte in writes and reads of sizes that don't match.
static void
pipe_bulk(void)
{
  newpipe(end);
  int pid = child();
  if (pid == 0) {
    close(end[0]);
    feed(end[1], 3);
    exit(0);
  }
  mustclose(end[1]);
  uint state = 99;
  int at = 0;
  for (int got; (got = read(end[0], buf, 1 + rnd(&state) % 2000)) > 0; at += got)
    painted(buf, got, 3, at, "pipe");
  equal(at, BULK, "bytes through the pipe");
  ends(pid, 0);
}

// A chain of processes, each of which hands on what it reads.
static void
pipe_chain(void)
{
  newpipe(end);
  int source = end[0];
  int first = end[1];
  for (int i = 0; i < 5; i++) {
    newpipe(end);
    if (child() == 0) {
      close(first);
      close(end[0]);
      for (int got; (got = read(source, buf, 700)) > 0;)
        mustwrite(end[1], buf, got);
      exit(0);
    }
    close(source);
    close(end[1]);
    source = end[0];
  }
  for (int at = 0; at < 20000; at += 200) {
    paint(buf, 200, 1, at);
    mustwrite(first, buf, 200);
    equal(readfull(source, buf, 200), 200, "bytes out of a chain");
    painted(buf, 200, 1, at, "chain");
  }
  close(first);
  equal(read(source, buf, 1), 0, "read at the end of a chain");
  endall(5);
}

// Several writers: no byte is lost, and those of one writer stay in order.
static void
pipe_writers(void)
{
  enum { WRITERS = 5, EACH = 20000 };
  newpipe(end);
  for (int i = 0; i < WRITERS; i++) {
    if (child() == 0) {
      for (int at = 0; at < EACH; at += 100) {
        for (int k = 0; k < 100; k++)
          buf[k] = i * 40 + (at + k) % 40;
        mustwrite(end[1], buf, 100);
      }
      exit(0);
    }
  }
  close(end[1]);
  int count[WRITERS] = {0};
  for (int got; (got = read(end[0], buf, BUFSIZE)) > 0;) {
    for (int k = 0; k < got; k++) {
      int writer = (uchar)buf[k] / 40;
      expect(writer < WRITERS, "a byte that nobody wrote: 0x%x", (uchar)buf[k]);
      equal((uchar)buf[k] % 40, count[writer]++ % 40, "next byte of a writer");
    }
  }
  for (int i = 0; i < WRITERS; i++)
    equal(count[i], EACH, "bytes of a writer");
  endall(WRITERS);
}

// Several readers: each byte comes to one of them, once.
static void
pipe_readers(void)
{
  enum { READERS = 4, TOTAL = 40000 };
  newpipe(end);
  newpipe(other);
  for (int i = 0; i < READERS; i++) {
    if (child() == 0) {
      close(end[1]);
      int sum = 0;
      for (int got; (got = read(end[0], buf, 100 + i)) > 0;)
        for (int k = 0; k < got; k++)
          sum += (uchar)buf[k];
      mustwrite(other[1], &sum, sizeof(sum));
      exit(0);
    }
  }
  int want = 0, got = 0;
  for (int i = 0; i < TOTAL; i++) {
    buf[i % 1000] = i % 251;
    want += i % 251;
    if (i % 1000 == 999)
      mustwrite(end[1], buf, 1000);
  }
  close(end[1]);
  endall(READERS);
  for (int i = 0; i < READERS; i++) {
    int sum;
    equal(readfull(other[0], &sum, sizeof(sum)), sizeof(sum), "bytes from a reader");
    got += sum;
  }
  equal(got, want, "sum of all bytes");
}

// A writer that waits because the pipe is full (none holds as much as is written here) fails
// when the last reader goes, whether that is before or after it waits.
static void
pipe_full(void)
{
  enum { MUCH = 100 * PGSIZE };
  char *data = sbrk(MUCH);
  for (int round = 0; round < 4; round++) {
    newpipe(end);
    int pid = child();
    if (pid == 0) {
      close(end[0]);
      equal(write(end[1], data, MUCH), -1, "write of much that nobody reads");
      exit(0);
    }
    equal(read(end[0], buf, 1), 1, "read of a pipe");
    pause(round % 2);
    mustclose(end[0]);
    ends(pid, 0);
    mustclose(end[1]);
  }
}

// Readers that wait get the end when the last writer goes, however many there were.
static void
pipe_last_writer(void)
{
  for (int round = 0; round < 10; round++) {
    newpipe(other);
    for (int i = 0; i < 4; i++) {
      if (child() == 0) {
        close(other[1]);
        equal(read(other[0], buf, 1), 0, "read of a pipe whose writers have gone");
        exit(0);
      }
    }
    for (int i = 0; i < 4; i++)
      if (child() == 0)
        exit(0);     // one writer less
    close(other[1]);
    endall(8);
    close(other[0]);
  }
}

static void
pipe_dup(void)
{
  newpipe(end);
  int in = dup(end[0]);
  int out = dup(end[1]);
  mustclose(end[0]);
  mustclose(end[1]);
  mustwrite(out, "abc", 3);
  equal(read(in, buf, 10), 3, "read through duplicates");
  end[1] = dup(out);
  mustclose(out);
  mustwrite(end[1], "d", 1);
  mustclose(end[1]);
  equal(read(in, buf, 10), 1, "read of what a duplicate wrote");
  equal(read(in, buf, 10), 0, "read when all duplicates are closed");
}

static void
pipe_pingpong(void)
{
  newpipe(end);
  newpipe(other);
  int pid = child(), ball;
  if (pid == 0) {
    close(end[1]);
    while (read(end[0], &ball, sizeof(ball)) == sizeof(ball)) {
      ball++;
      mustwrite(other[1], &ball, sizeof(ball));
    }
    exit(0);
  }
  for (int i = 0; i < 700; i++) {
    mustwrite(end[1], &i, sizeof(i));
    equal(read(other[0], &ball, sizeof(ball)), sizeof(ball), "read of a pipe");
    equal(ball, i + 1, "answer");
  }
  close(end[1]);
  ends(pid, 0);
}

// Both ends die in the middle of a transfer.
static void
pipe_killed(void)
{
  for (int round = 0; round < 30; round++) {
    newpipe(end);
    int pids[2];
    for (int i = 0; i < 2; i++) {
      if ((pids[i] = child()) == 0) {
        for (;;)
          i ? write(end[1], buf, 1000) : read(end[0], buf, 700);
      }
    }
    for (volatile int delay = round * 1000; delay > 0; delay--)
      ;
    equal(kill(pids[round % 2]), 0, "kill");
    ends(pids[round % 2], -1);
    equal(kill(pids[1 - round % 2]), 0, "kill");
    ends(pids[1 - round % 2], -1);
    mustclose(end[0]);
    mustclose(end[1]);
  }
}

struct test pipe_tests[] = {
  QUICK(pipe_ends),
  QUICK(pipe_partial),
  QUICK(pipe_bulk),
  QUICK(pipe_chain),
  QUICK(pipe_writers),
  QUICK(pipe_readers),
  QUICK(pipe_full),
  QUICK(pipe_last_writer),
  QUICK(pipe_dup),
  QUICK(pipe_pingpong),
  QUICK(pipe_killed),
  END_OF_TESTS
};
